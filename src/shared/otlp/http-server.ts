import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { drainRefused } from '../drain-refused.ts';
import { type HttpListener, KEEP_ALIVE_MS, listen } from '../http-listener.ts';
import type { Place } from './admission.ts';
import { PARTLY_STORED_HEADER } from './batch-header.ts';
import { tooLarge } from './body-bytes.ts';
import { CONDITIONS, type Condition, retryDelayMs } from './conditions.ts';
import { type CorsPolicy, createCorsPolicy, preflightHeaders } from './cors.ts';
import { ACCEPTED_ENCODINGS, type Compression, compressionNamed } from './decompress.ts';
import { type ExportOutcome, isRefusal, type Refusal, refuse } from './door.ts';
import type { DoorOptions } from './door-options.ts';
import { plainBody, readBody, startBody } from './http-body.ts';
import { answerBrokenRequest } from './http-broken-request.ts';
import type { JsonTranscoder } from './json-transcoder.ts';
import { type Encoding, exportResponse, MEDIA_TYPES, rpcStatus } from './responses.ts';
import { serveExport } from './serve-export.ts';
import { SIGNAL_FACTS, SIGNALS, type Signal } from './signal.ts';

export interface OtlpHttpOptions extends DoorOptions {
  readonly transcoder: JsonTranscoder;
  /** Origins whose pages may post, as `ingest.corsOrigins` has them; none when left out. */
  readonly corsOrigins?: string;
}

const SIGNAL_OF_PATH = new Map<string, Signal>(SIGNALS.map(signal => [SIGNAL_FACTS[signal].path, signal]));

/** How long a request may take to arrive. */
const REQUEST_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 10_000;

/**
 * The OTLP/HTTP door: `POST /v1/{traces,logs,metrics}` in protobuf and JSON, every answer in the request's encoding
 * and every error a `google.rpc.Status` (OTLP specification, "OTLP/HTTP").
 */
export async function createOtlpHttpServer(options: OtlpHttpOptions): Promise<HttpListener> {
  const door: Door = { ...options, cors: createCorsPolicy(options.corsOrigins ?? '') };
  const server = createServer(
    { keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      const exchange = new Exchange(door, request, response);
      exchange.serve().catch((error: unknown) => {
        options.logger.error({ err: error }, 'OTLP request failed');
        if (!response.headersSent) exchange.refuse(refuse('internal', 'internal error'));
      });
    },
  );
  // Node would ask for the body of such a request by itself; it is asked for once the request is admitted.
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  const newest = new WeakMap<Duplex, { request: IncomingMessage; response: ServerResponse }>();
  server.on('request', (request, response) => newest.set(request.socket, { request, response }));
  server.on('clientError', (error, socket) => {
    const before = newest.get(socket);
    // What broke may follow a whole request that is being stored, whose answer comes first.
    if (before?.request.complete && !before.response.closed)
      before.response.once('close', () => answerBrokenRequest(error, socket));
    else answerBrokenRequest(error, socket);
  });
  return listen(server, { host: options.host, port: options.port, stopGraceMs: STOP_GRACE_MS });
}

interface Door extends OtlpHttpOptions {
  readonly cors: CorsPolicy | undefined;
}

interface Route {
  readonly signal: Signal;
  readonly encoding: Encoding;
  readonly compression: Compression | 'identity';
}

/** One request and its answer. */
class Exchange {
  readonly #door: Door;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #startedAt = performance.now();

  constructor(door: Door, request: IncomingMessage, response: ServerResponse) {
    this.#door = door;
    this.#request = request;
    this.#response = response;
  }

  async serve(): Promise<void> {
    if (this.#door.cors !== undefined && this.#answerPreflight(this.#door.cors)) return;
    const route = routeOf(this.#request);
    if (isRefusal(route)) {
      this.refuse(route);
      return;
    }
    await serveExport(this.#door.admission, {
      take: place => this.#export(route, place),
      accept: outcome => this.#accept(route, outcome),
      refuse: refusal => this.refuse(refusal),
    });
  }

  async #export(route: Route, place: Place): Promise<ExportOutcome | 'aborted'> {
    const request = this.#request;
    const limits = { maxRequestBytes: this.#door.maxRequestBytes, place };
    const body = startBody(request, limits);
    if (isRefusal(body)) return body;
    if (request.headers.expect !== undefined) this.#response.writeContinue();
    const arrival = await readBody(request, body, this.#door.maxSilenceMs);
    if (arrival !== 'whole') return arrival;
    const bytes = await plainBody(body, route.compression, limits);
    if (isRefusal(bytes)) return bytes;
    const plain =
      route.encoding === 'json' ? this.#transcode(route.signal, bytes, place) : { body: bytes, warnings: [] };
    if (isRefusal(plain)) return plain;
    return this.#door.handle({
      signal: route.signal,
      transport: 'http',
      deadlineMs: undefined,
      body: plain.body,
      header: name => headerOf(request, name),
      warnings: plain.warnings,
    });
  }

  #transcode(
    signal: Signal,
    json: Buffer,
    place: Place,
  ): { readonly body: Buffer; readonly warnings: readonly string[] } | Refusal {
    const { maxRequestBytes, transcoder } = this.#door;
    const transcoded = transcoder.toProtobuf(signal, json);
    if (transcoded.kind === 'malformed') return refuse('malformed', transcoded.reason);
    const { length } = transcoded.body;
    // Lists of small numbers are longer in protobuf, and the limit is also that of whoever takes the data next.
    if (length > maxRequestBytes) return tooLarge(length, maxRequestBytes);
    place.give(json.length);
    return place.take(length) ?? transcoded;
  }

  #accept({ signal, encoding }: Route, outcome: Extract<ExportOutcome, { kind: 'accepted' }>): void {
    const body = exportResponse(signal, outcome, encoding);
    this.#answer(
      'accepted',
      200,
      { 'content-type': MEDIA_TYPES[encoding], 'content-length': body.length },
      body,
    );
  }

  /** A sender whose encoding is unknown is most likely a person with curl, so it gets JSON. */
  refuse(refusal: Refusal): void {
    const request = this.#request;
    const encoding = encodingOf(request) ?? 'json';
    const body = rpcStatus(refusal, encoding);
    const headers: Headers = { 'content-type': MEDIA_TYPES[encoding], 'content-length': body.length };
    const delayMs = retryDelayMs(refusal.condition, refusal.retryAfterMs);
    if (delayMs !== undefined) headers['retry-after'] = Math.ceil(delayMs / 1000);
    if (refusal.condition === 'methodNotAllowed') headers.allow = 'POST';
    if (refusal.condition === 'partlyStored') headers[PARTLY_STORED_HEADER] = 'true';
    if (refusal.condition === 'unsupportedEncoding') headers['accept-encoding'] = ACCEPTED_ENCODINGS;
    if (!request.complete) this.#letGo(headers);
    this.#answer(refusal.condition, CONDITIONS[refusal.condition].http, headers, body);
  }

  #letGo(headers: Headers): void {
    const request = this.#request;
    // Whether a sender that waited for our "continue" sends its body after all is not known, so nothing may follow it.
    if (request.headers.expect !== undefined) headers.connection = 'close';
    drainRefused(request);
  }

  #answer(condition: Condition | 'accepted', status: number, headers: Headers, body: Buffer): void {
    const { origin } = this.#request.headers;
    if (origin !== undefined) Object.assign(headers, this.#door.cors?.headersFor(origin));
    this.#response.writeHead(status, headers);
    // Node writes head and body at once when the body is text.
    this.#response.end(body.toString('latin1'), 'latin1');
    this.#door.onAnswered?.({
      transport: 'http',
      signal: SIGNAL_OF_PATH.get(pathOf(this.#request)),
      condition,
      durationSeconds: (performance.now() - this.#startedAt) / 1000,
    });
  }

  /** False when it is no preflight, or not one of an origin and a path that we serve. */
  #answerPreflight(cors: CorsPolicy): boolean {
    const { method, headers } = this.#request;
    if (method !== 'OPTIONS' || headers.origin === undefined) return false;
    const allowed = cors.headersFor(headers.origin);
    if (allowed === undefined || !SIGNAL_OF_PATH.has(pathOf(this.#request))) return false;
    this.#response.writeHead(204, {
      ...allowed,
      ...preflightHeaders(headerOf(this.#request, 'access-control-request-headers')),
    });
    this.#response.end();
    return true;
  }
}

type Headers = Record<string, string | number>;

function routeOf(request: IncomingMessage): Route | Refusal {
  const path = pathOf(request);
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
  const given = request.headers['content-encoding'];
  const compression = given === undefined ? 'identity' : compressionNamed(given.trim().toLowerCase());
  if (compression === undefined)
    return refuse('unsupportedEncoding', `Content-Encoding "${given}" is not one of ${ACCEPTED_ENCODINGS}`);
  return { signal, encoding, compression };
}

/** Proxies may name the whole URL, which a server must take like its path (RFC 9112, section 3.2.2). */
function pathOf({ url = '' }: IncomingMessage): string {
  const target = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?]*/i, '');
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}

function encodingOf(request: IncomingMessage): Encoding | undefined {
  const type = request.headers['content-type'];
  if (type === MEDIA_TYPES.protobuf) return 'protobuf';
  const mediaType = (type ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType === MEDIA_TYPES.protobuf) return 'protobuf';
  return mediaType === MEDIA_TYPES.json ? 'json' : undefined;
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
