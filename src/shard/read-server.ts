import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Logger } from 'pino';
import { type HttpListener, listen } from '../shared/http-listener.ts';
import { once } from '../shared/lifecycle.ts';
import { READ_API_VERSION } from '../shared/read/contract.ts';
import { parseCall, type ReadCall, type Reader } from './reads/reader.ts';
import { createSlots, type Slots } from './reads/slots.ts';
import { DatabaseDownError } from './store/database.ts';

export interface ReadServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly reader: Reader;
  /** `undefined` when the shard can take and answer, else why not. */
  readonly notReadyReason: () => string | undefined;
  readonly logger: Logger;
}

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_RUNNING_READS = 8;
const MAX_WAITING_READS = 64;
const STOP_GRACE_MS = 5_000;
/** Lines are joined to pieces of about this size before they are written. */
const WRITE_CHARS = 64 * 1024;

/** The internal read API (see the read contract) and the health endpoints of one shard. */
export async function createReadServer(options: ReadServerOptions): Promise<HttpListener> {
  const slots = createSlots({ running: MAX_RUNNING_READS, waiting: MAX_WAITING_READS });
  const answering = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const answered = answer({ ...options, slots }, request, response).catch((error: unknown) => {
      // The client left, which ends its request body or its query.
      if (response.destroyed) return;
      if (error instanceof DatabaseDownError && !response.headersSent) {
        sendError(response, { status: 503, message: error.message });
        return;
      }
      options.logger.error({ err: error, url: request.url }, 'read failed');
      // A body that has begun can only be broken off; without its trailer nobody takes it for whole.
      if (response.headersSent) response.destroy();
      else sendError(response, { status: 500, message: 'internal error' });
    });
    answering.add(answered);
    void answered.then(() => answering.delete(answered));
  });
  const listener = await listen(server, {
    host: options.host,
    port: options.port,
    stopGraceMs: STOP_GRACE_MS,
  });
  return {
    port: listener.port,
    stop: once(async () => {
      await listener.stop();
      await Promise.all(answering);
    }),
  };
}

type Context = ReadServerOptions & { readonly slots: Slots };

async function answer(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  if (path === '/healthz') return sendText(response, 200, 'ok');
  if (path === '/readyz') {
    const reason = context.notReadyReason();
    return reason === undefined ? sendText(response, 200, 'ready') : sendText(response, 503, reason);
  }
  const [, version, name] = /^\/internal\/([^/]+)\/reads\/([^/]+)$/.exec(path) ?? [];
  if (name === undefined) return sendError(response, { status: 404, message: `nothing at ${path}` });
  if (version !== READ_API_VERSION) {
    return sendError(response, {
      status: 404,
      message: `read API ${version} was asked for; this shard speaks ${READ_API_VERSION}`,
    });
  }
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST');
    return sendError(response, {
      status: 405,
      message: `${request.method} is not allowed on ${path}; use POST`,
    });
  }
  return await answerRead(context, { name, request, response });
}

interface ReadExchange {
  readonly name: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function answerRead(
  { reader, slots }: Context,
  { name, request, response }: ReadExchange,
): Promise<void> {
  const body = await readJson(request);
  if (body.kind === 'refused') return sendError(response, body);
  const call = parseCall(name, body.value);
  if (call.name === 'unknown')
    return sendError(response, { status: 404, message: `no read is called ${name}` });
  if (call.name === 'invalid') return sendError(response, { status: 400, message: call.reason });

  const isDone = await slots.run(async () => {
    await sendRead(reader, call, response);
    return true;
  });
  if (isDone === undefined)
    sendError(response, { status: 503, message: `${MAX_WAITING_READS} reads are waiting already` });
}

/** The query is whole before the status is sent, so that its failure can still be told. */
async function sendRead(reader: Reader, call: ReadCall, response: ServerResponse): Promise<void> {
  const clientGone = new AbortController();
  response.once('close', () => clientGone.abort());
  if (response.destroyed) return;
  const lines = await reader.read(call, clientGone.signal);
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  await pipeline(Readable.from(pieces(lines)), response);
}

function* pieces(lines: Iterable<string>): Generator<string> {
  let piece = '';
  for (const line of lines) {
    piece += line;
    if (piece.length < WRITE_CHARS) continue;
    yield piece;
    piece = '';
  }
  yield piece;
}

type JsonBody =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string };

async function readJson(request: IncomingMessage): Promise<JsonBody> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    // The rest of the body is still read, so that its sender gets to read the answer.
    if (sizeBytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (sizeBytes > MAX_BODY_BYTES) {
    return {
      kind: 'refused',
      status: 413,
      message: `request of ${sizeBytes} bytes is over the limit of ${MAX_BODY_BYTES}`,
    };
  }
  try {
    return { kind: 'json', value: JSON.parse(Buffer.concat(chunks).toString('utf8')) };
  } catch (error) {
    return { kind: 'refused', status: 400, message: `body is not JSON: ${(error as SyntaxError).message}` };
  }
}

function sendError(response: ServerResponse, { status, message }: { status: number; message: string }): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: message }));
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(text);
}
