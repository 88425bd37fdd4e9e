import { gzipSync } from 'node:zlib';
import grpc from '@grpc/grpc-js';
import { SIGNAL_FACTS, type Signal } from '../../src/shared/otlp/signal.ts';
import { decodeExportResponse } from '../support/otlp-answers.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { otlpBytes } from '../support/test-shard.ts';

/** Where one ingest replica takes exports. */
export interface Doors {
  readonly http: string;
  readonly grpc: string;
}

export type Answer =
  | { readonly kind: 'ok'; readonly rejected: number; readonly message: string }
  /** Not known to be stored, or no answer at all. */
  | { readonly kind: 'again'; readonly reason: string }
  /** It can never be stored as it is, and nothing of it was (docs/GUARANTEES.md, "What an OK means"). */
  | { readonly kind: 'refused'; readonly reason: string };

export type Transport = 'json' | 'protobuf' | 'gzip' | 'grpc';

/** Bad Request, Content Too Large, Unsupported Media Type. */
const FINAL_HTTP: ReadonlySet<number> = new Set([400, 413, 415]);

export interface Exporter {
  export(doors: Doors, transport: Transport, message: { signal: Signal; request: Json }): Promise<Answer>;
  close(): void;
}

/** Below what SDKs wait, so that a trial sees what comes after. */
const TIMEOUT_MS = 5_000;

/** Sends as the exporters of SDKs do: over any transport of OTLP, one attempt at a time. */
export function createExporter(): Exporter {
  const clients = new Map<string, grpc.Client>();

  function clientOf(address: string): grpc.Client {
    let client = clients.get(address);
    if (client === undefined) {
      client = new grpc.Client(address.replace('grpc://', ''), grpc.credentials.createInsecure(), {
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 500,
      });
      clients.set(address, client);
    }
    return client;
  }

  return {
    async export(doors, transport, { signal, request }) {
      if (transport === 'grpc')
        return await overGrpc(clientOf(doors.grpc), signal, otlpBytes(signal, request));
      return await overHttp(
        `${doors.http}${SIGNAL_FACTS[signal].path}`,
        HTTP_BODIES[transport](signal, request),
      );
    },
    close() {
      for (const client of clients.values()) client.close();
    },
  };
}

interface HttpBody {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

const PROTOBUF = 'application/x-protobuf';

const HTTP_BODIES: Readonly<Record<Exclude<Transport, 'grpc'>, (signal: Signal, request: Json) => HttpBody>> =
  {
    json: (_signal, request) => ({
      body: Buffer.from(JSON.stringify(request)),
      headers: { 'content-type': 'application/json' },
    }),
    protobuf: (signal, request) => ({
      body: otlpBytes(signal, request),
      headers: { 'content-type': PROTOBUF },
    }),
    gzip: (signal, request) => ({
      body: gzipSync(otlpBytes(signal, request)),
      headers: { 'content-type': PROTOBUF, 'content-encoding': 'gzip' },
    }),
  };

async function overHttp(url: string, { body, headers }: HttpBody): Promise<Answer> {
  try {
    const init = { method: 'POST', headers, body: new Uint8Array(body) };
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const bytes = Buffer.from(await response.arrayBuffer());
    if (response.status === 200) return acceptedOver(headers['content-type'] ?? '', bytes);
    const reason = `HTTP ${response.status}: ${bytes.toString().slice(0, 200)}`;
    return { kind: FINAL_HTTP.has(response.status) ? 'refused' : 'again', reason };
  } catch (error) {
    const { message, cause } = error as Error & { cause?: Error };
    return { kind: 'again', reason: cause?.message ?? message };
  }
}

function acceptedOver(contentType: string, bytes: Buffer): Answer {
  if (contentType === PROTOBUF) return accepted(bytes);
  const { partialSuccess = {} } = JSON.parse(bytes.toString()) as { partialSuccess?: Json };
  const rejected = Object.entries(partialSuccess).find(([member]) => member.startsWith('rejected'))?.[1] ?? 0;
  return { kind: 'ok', rejected: Number(rejected), message: String(partialSuccess.errorMessage ?? '') };
}

function accepted(bytes: Buffer): Answer {
  const { rejected = 0, errorMessage = '' } = decodeExportResponse(bytes) ?? {};
  return { kind: 'ok', rejected, message: errorMessage };
}

function overGrpc(client: grpc.Client, signal: Signal, message: Buffer): Promise<Answer> {
  const raw = (bytes: Buffer) => bytes;
  const path = `/${SIGNAL_FACTS[signal].grpcService}/Export`;
  const deadline = Date.now() + TIMEOUT_MS;
  return new Promise(resolve => {
    client.makeUnaryRequest(path, raw, raw, message, new grpc.Metadata(), { deadline }, (error, answer) => {
      if (error === null) return resolve(accepted(answer as Buffer));
      const { code, details, metadata } = error;
      const hasRetryInfo = metadata.get('grpc-status-details-bin').length > 0;
      const isFinal =
        code === grpc.status.INVALID_ARGUMENT || (code === grpc.status.RESOURCE_EXHAUSTED && !hasRetryInfo);
      resolve({ kind: isFinal ? 'refused' : 'again', reason: `gRPC ${code}: ${details}` });
    });
  });
}
