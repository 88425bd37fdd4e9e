import http2 from 'node:http2';
import type { Clock } from '../time.ts';
import type { Place } from './admission.ts';
import { BodyBytes, MAX_SILENCE_MS } from './body-bytes.ts';
import { CONDITIONS, type Condition } from './conditions.ts';
import { ACCEPTED_ENCODINGS, compressionNamed, decompressWithin } from './decompress.ts';
import { type ExportOutcome, isRefusal, type Refusal, refuse } from './door.ts';
import type { DoorOptions } from './door-options.ts';
import {
  frameMessage,
  type MessagePrefix,
  PREFIX_BYTES,
  percentEncode,
  readPrefix,
  timeoutMsOf,
} from './grpc-wire.ts';
import { exportResponse, MEDIA_TYPES, rpcStatus, statusMessage } from './responses.ts';
import { serveExport } from './serve-export.ts';
import { SIGNAL_FACTS, SIGNALS, type Signal } from './signal.ts';

const SIGNAL_OF_METHOD = new Map<string, Signal>(
  SIGNALS.map(signal => [`/${SIGNAL_FACTS[signal].grpcService}/Export`, signal]),
);

/** How long a message may take to arrive. */
const MESSAGE_TIMEOUT_MS = 60_000;

const OK_HEADERS = {
  ':status': 200,
  'content-type': 'application/grpc',
  'grpc-accept-encoding': ACCEPTED_ENCODINGS,
};
const OK_TRAILERS = { 'grpc-status': '0' };
const EMPTY_RESPONSE = frameMessage(Buffer.alloc(0));

export interface GrpcDoorOptions extends DoorOptions {
  /** Deadlines are told by it: one that does not jump, where anybody heeds them. */
  readonly clock: Clock;
}

/** One call of an `Export` method: admitted or refused by its headers, then its one message, then the answer. */
export class GrpcCall {
  readonly #door: GrpcDoorOptions;
  readonly #stream: http2.ServerHttp2Stream;
  readonly #headers: http2.IncomingHttpHeaders;
  readonly #signal: Signal | undefined;
  readonly #startedAt = performance.now();

  constructor(door: GrpcDoorOptions, stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) {
    this.#door = door;
    this.#stream = stream;
    this.#headers = headers;
    this.#signal = SIGNAL_OF_METHOD.get(headers[':path'] ?? '');
  }

  async serve(): Promise<void> {
    if (!this.#isGrpc()) {
      this.#refuseForeign();
      return;
    }
    const signal = this.#signal;
    if (signal === undefined) {
      this.refuse(unknownMethod(this.#headers[':path'] ?? ''));
      return;
    }
    await serveExport(this.#door.admission, {
      take: place => this.#export(signal, place),
      accept: outcome => this.#accept(signal, outcome),
      refuse: refusal => this.refuse(refusal),
    });
  }

  async #export(signal: Signal, place: Place): Promise<ExportOutcome | 'aborted'> {
    const timeoutMs = timeoutMsOf(this.#header('grpc-timeout'));
    const deadlineMs = timeoutMs === undefined ? undefined : this.#door.clock.now() + timeoutMs;
    const { maxRequestBytes, maxSilenceMs = MAX_SILENCE_MS } = this.#door;
    const message = await readMessage(this.#stream, { maxRequestBytes, maxSilenceMs, place });
    if (message === 'aborted' || isRefusal(message)) return message;
    const body = message.prefix.isCompressed ? await this.#decompress(message.bytes, place) : message.bytes;
    if (isRefusal(body)) return body;
    const header = (name: string) => this.#header(name);
    return this.#door.handle({ signal, transport: 'grpc', deadlineMs, body, header, warnings: [] });
  }

  async #decompress(bytes: Buffer, place: Place): Promise<Buffer | Refusal> {
    const encoding = this.#header('grpc-encoding') ?? 'identity';
    const compression = compressionNamed(encoding);
    if (compression === undefined)
      return refuse('unsupportedEncoding', `grpc-encoding "${encoding}" is not one of ${ACCEPTED_ENCODINGS}`);
    if (compression === 'identity')
      return refuse('malformed', 'a compressed message without a grpc-encoding');
    const plain = await decompressWithin(bytes, compression, {
      maxRequestBytes: this.#door.maxRequestBytes,
      place,
    });
    place.give(bytes.length);
    return plain;
  }

  #accept(signal: Signal, outcome: Extract<ExportOutcome, { kind: 'accepted' }>): void {
    const stream = this.#stream;
    if (this.#isWaitedFor()) {
      const response = exportResponse(signal, outcome, 'protobuf');
      stream.respond(OK_HEADERS, { waitForTrailers: true });
      stream.once('wantTrailers', () => stream.sendTrailers(OK_TRAILERS));
      stream.end(response.length === 0 ? EMPTY_RESPONSE : frameMessage(response));
    }
    this.#tell('accepted');
  }

  /** An answer of headers alone. The sender need not go on: what is missing of its message will not be read. */
  refuse(refusal: Refusal): void {
    this.#end(refusal, {
      ...OK_HEADERS,
      'grpc-status': String(CONDITIONS[refusal.condition].grpc),
      'grpc-message': percentEncode(statusMessage(refusal)),
      'grpc-status-details-bin': rpcStatus(refusal, 'protobuf').toString('base64'),
    });
  }

  /** False once the client has cancelled. */
  #isWaitedFor(): boolean {
    return !this.#stream.destroyed && !this.#stream.closed;
  }

  #isGrpc(): boolean {
    const type = this.#headers['content-type'] ?? '';
    return this.#headers[':method'] === 'POST' && /^application\/grpc(?:\+proto)?(?:;|$)/.test(type);
  }

  /** What does not speak gRPC is answered in HTTP (PROTOCOL-HTTP2, "Requests"). */
  #refuseForeign(): void {
    const given = `${this.#headers[':method']} of "${this.#headers['content-type'] ?? ''}"`;
    const refusal = refuse(
      'unsupportedMediaType',
      `this port takes OTLP/gRPC: POST of application/grpc, not ${given}`,
    );
    const { http } = CONDITIONS[refusal.condition];
    const body = rpcStatus(refusal, 'json');
    const stream = this.#stream;
    if (this.#isWaitedFor()) {
      stream.respond({ ':status': http, 'content-type': MEDIA_TYPES.json });
      stream.end(body);
      this.#stopReading();
    }
    this.#tell(refusal.condition);
  }

  #end(refusal: Refusal, headers: http2.OutgoingHttpHeaders): void {
    if (this.#isWaitedFor()) {
      this.#stream.respond(headers, { endStream: true });
      this.#stopReading();
    }
    this.#tell(refusal.condition);
  }

  #stopReading(): void {
    this.#stream.resume();
    this.#stream.close(http2.constants.NGHTTP2_NO_ERROR);
  }

  #tell(condition: Condition | 'accepted'): void {
    this.#door.onAnswered?.({
      transport: 'grpc',
      signal: this.#signal,
      condition,
      durationSeconds: (performance.now() - this.#startedAt) / 1000,
    });
  }

  #header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value[0] : value;
  }
}

function unknownMethod(path: string): Refusal {
  const why = path.includes('.profiles.')
    ? 'profiles are not enabled; this server takes'
    : `no method ${path}; use`;
  return refuse('notFound', `${why} ${[...SIGNAL_OF_METHOD.keys()].join(', ')}`);
}

interface Limits {
  readonly maxRequestBytes: number;
  readonly maxSilenceMs: number;
  readonly place: Place;
}

interface Message {
  readonly prefix: MessagePrefix;
  readonly bytes: Buffer;
}

/**
 * Reads the one message of a unary call. Whether there is room for it is asked when its length is known, before it
 * arrives. `aborted`: the client cancelled or went silent, nobody waits for an answer.
 */
function readMessage(
  stream: http2.ServerHttp2Stream,
  limits: Limits,
): Promise<Message | Refusal | 'aborted'> {
  return new Promise(resolve => {
    const head = Buffer.alloc(PREFIX_BYTES);
    const giveUpAt = performance.now() + MESSAGE_TIMEOUT_MS;
    let headBytes = 0;
    let prefix: MessagePrefix | undefined;
    let body: BodyBytes | undefined;

    const settle = (result: Message | Refusal | 'aborted') => {
      stream.off('data', onData).off('end', onEnd).off('close', onClose);
      stream.setTimeout(0);
      resolve(result);
    };
    const giveUp = () => stream.close(http2.constants.NGHTTP2_CANCEL);
    const onData = (chunk: Buffer) => {
      if (performance.now() > giveUpAt) giveUp();
      let rest = chunk;
      if (body === undefined) {
        const copied = chunk.copy(head, headBytes, 0, PREFIX_BYTES - headBytes);
        headBytes += copied;
        if (headBytes < PREFIX_BYTES) return;
        rest = chunk.subarray(copied);
        prefix = readPrefix(head);
        const started = BodyBytes.start(limits.place, limits.maxRequestBytes, prefix.sizeBytes);
        if (isRefusal(started)) {
          settle(started);
          return;
        }
        body = started;
      }
      const missing = (prefix as MessagePrefix).sizeBytes - body.filledBytes;
      if (rest.length > missing) settle(refuse('malformed', 'more than one message in a unary call'));
      else if (rest.length > 0) {
        const refusal = body.add(rest);
        if (refusal !== undefined) settle(refusal);
      }
    };
    const onEnd = () => {
      if (prefix === undefined || body?.filledBytes !== prefix.sizeBytes)
        settle(refuse('malformed', 'the call ended before its message did'));
      else settle({ prefix, bytes: body.whole() });
    };
    const onClose = () => settle('aborted');
    stream.on('data', onData).on('end', onEnd).on('close', onClose);
    stream.setTimeout(limits.maxSilenceMs, giveUp);
  });
}
