import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { type HttpListener, KEEP_ALIVE_MS, listen } from '../http-listener.ts';
import type { ByteBudget } from './byte-budget.ts';
import { CONDITIONS } from './conditions.ts';
import { type ExportHandler, type ExportOutcome, type Refusal, refuse } from './door.ts';
import { readBody, tooLarge } from './http-body.ts';
import type { JsonTranscoder } from './json-transcoder.ts';
import { type Encoding, exportResponse, MEDIA_TYPES, rpcStatus } from './responses.ts';
import { SIGNAL_FACTS, SIGNALS, type Signal } from './signal.ts';

export interface OtlpHttpOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly maxRequestBytes: number;
  readonly budget: ByteBudget;
  readonly transcoder: JsonTranscoder;
  readonly handle: ExportHandler;
  readonly logger: Logger;
}

const SIGNAL_OF_PATH = new Map<string, Signal>(SIGNALS.map(signal => [SIGNAL_FACTS[signal].path, signal]));

/** How long a refused upload may go on so that its sender reads the answer instead of a reset. */
const DRAIN_REFUSED_MS = 5_000;
const STOP_GRACE_MS = 10_000;

/**
 * The OTLP/HTTP door: `POST /v1/{traces,logs,metrics}` in protobuf and JSON, every answer in the request's encoding
 * and every error a `google.rpc.Status` (OTLP specification, "OTLP/HTTP").
 */
export async function createOtlpHttpServer(options: OtlpHttpOptions): Promise<HttpListener> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    void answer(options, request, response).catch((error: unknown) => {
      options.logger.error({ err: error }, 'OTLP request failed');
      if (!response.headersSent) sendRefusal(request, response, refuse('internal', 'internal error'));
    });
  });
  return listen(server, { host: options.host, port: options.port, stopGraceMs: STOP_GRACE_MS });
}

async function answer(
  options: OtlpHttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const route = routeOf(request);
  if ('kind' in route) {
    sendRefusal(request, response, route);
    return;
  }
  const body = await readBody(request, options);
  if (body.kind === 'aborted') return;
  if (body.kind === 'refused') {
    sendRefusal(request, response, body);
    return;
  }
  try {
    const outcome = await exportBody(options, request, { ...route, bytes: body.bytes });
    sendOutcome(request, response, { ...route, outcome });
  } finally {
    body.release();
  }
}

interface Route {
  readonly signal: Signal;
  readonly encoding: Encoding;
}

function routeOf(request: IncomingMessage): Route | Refusal {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const signal = SIGNAL_OF_PATH.get(path);
  if (signal === undefined) {
    const why =
      path === '/v1development/profiles'
        ? 'profiles are not enabled; this server takes'
        : `no OTLP endpoint at ${path}; use`;
    return refuse('notFound', `${why} ${[...SIGNAL_OF_PATH.keys()].join(', ')}`);
  }
  if (request.method !== 'POST')
    return refuse('methodNotAllowed', `${request.method} is not allowed on ${path}; use POST`);
  const encoding = encodingOf(request);
  if (encoding === undefined) {
    const given = request.headers['content-type'] ?? '';
    return refuse(
      'unsupportedMediaType',
      `Content-Type "${given}" is not one of ${Object.values(MEDIA_TYPES).join(', ')}`,
    );
  }
  return { signal, encoding };
}

function encodingOf(request: IncomingMessage): Encoding | undefined {
  const mediaType = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType === MEDIA_TYPES.protobuf) return 'protobuf';
  return mediaType === MEDIA_TYPES.json ? 'json' : undefined;
}

async function exportBody(
  options: OtlpHttpOptions,
  request: IncomingMessage,
  { signal, encoding, bytes }: Route & { bytes: Buffer },
): Promise<ExportOutcome> {
  const header = (name: string) => {
    const value = request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  if (encoding === 'protobuf') return options.handle({ signal, body: bytes, header, warnings: [] });
  const transcoded = options.transcoder.toProtobuf(signal, bytes);
  if (transcoded.kind === 'malformed') return refuse('malformed', transcoded.reason);
  // Lists of small numbers are longer in protobuf, and the limit is also that of whoever takes the data next.
  if (transcoded.body.length > options.maxRequestBytes)
    return tooLarge(transcoded.body.length, options.maxRequestBytes);
  return options.handle({ signal, body: transcoded.body, header, warnings: transcoded.warnings });
}

function sendOutcome(
  request: IncomingMessage,
  response: ServerResponse,
  { signal, encoding, outcome }: Route & { outcome: ExportOutcome },
): void {
  if (outcome.kind === 'refused') {
    sendRefusal(request, response, outcome);
    return;
  }
  const body = exportResponse(signal, outcome, encoding);
  response.writeHead(200, { 'content-type': MEDIA_TYPES[encoding], 'content-length': body.length });
  response.end(body);
}

/** A sender whose encoding is unknown is most likely a person with curl, so it gets JSON. */
function sendRefusal(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const encoding = encodingOf(request) ?? 'json';
  const body = rpcStatus(refusal, encoding);
  const headers: Record<string, string | number> = {
    'content-type': MEDIA_TYPES[encoding],
    'content-length': body.length,
  };
  if (refusal.retryAfterMs !== undefined)
    headers['retry-after'] = Math.max(1, Math.ceil(refusal.retryAfterMs / 1000));
  if (refusal.condition === 'methodNotAllowed') headers.allow = 'POST';
  if (!request.complete) {
    // Closing now would reset the connection under a sender that is still writing; it would never see the answer.
    const drain = setTimeout(() => request.destroy(), DRAIN_REFUSED_MS).unref();
    request.once('close', () => clearTimeout(drain)).resume();
  }
  response.writeHead(CONDITIONS[refusal.condition].http, headers);
  response.end(body);
}
