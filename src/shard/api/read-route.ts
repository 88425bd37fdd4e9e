import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { dropWhenStalled } from '../../shared/drop-when-stalled.ts';
import { AS_OF_HEADER, MAX_BYTES_HEADER, type SnapshotGone } from '../../shared/read/contract.ts';
import type { Turns } from '../../shared/turns.ts';
import { type Parsed, parseRead, parseSnapshot, type SnapshotCall } from '../reads/call.ts';
import type { Reader } from '../reads/reader.ts';
import { type ApiError, readJson, sendError, sendJson } from './bodies.ts';
import { callerGone, type Exchange, type Route } from './route.ts';

export interface ReadRouteDeps {
  readonly reader: Reader;
  readonly turns: Turns;
  /** How long a caller may take none of its answer; see {@link dropWhenStalled}. */
  readonly stallMs?: number;
}

const MAX_BODY_BYTES = 1024 * 1024;
/** Lines are joined to pieces of about this size before they are written. */
const WRITE_CHARS = 64 * 1024;

/** `POST reads/<name>` and `POST snapshot`: the reads of the read contract, alone and several at one commit. */
export function createReadRoutes(deps: ReadRouteDeps): readonly Route[] {
  return [
    {
      method: 'POST',
      path: /^reads\/([^/]+)$/,
      handle: exchange => answer(deps, exchange, body => parseRead(exchange.name, body)),
    },
    { method: 'POST', path: /^snapshot$/, handle: exchange => answer(deps, exchange, parseSnapshot) },
  ];
}

async function answer(
  { reader, turns, stallMs }: ReadRouteDeps,
  { request, response }: Exchange,
  parse: (body: unknown) => Parsed<SnapshotCall>,
): Promise<void> {
  const body = await readJson(request, MAX_BODY_BYTES);
  if (body.kind === 'refused') return sendError(response, body);
  const call = parse(body.value);
  if (call.kind === 'refused') return sendError(response, call);
  const maxBytes = maxBytesOf(request);
  if (typeof maxBytes === 'object') return sendError(response, maxBytes);

  // A turn lasts until the answer is sent, or is as good as sent: it is held in memory as long.
  const gone = callerGone(response);
  const isDone = await turns.run(async () => {
    await sendRead(reader, { call: { ...call.value, maxBytes }, gone, response, stallMs });
    return true;
  }, gone);
  if (isDone === undefined) sendError(response, { status: 503, message: 'too many reads wait already' });
}

function maxBytesOf({ headers }: IncomingMessage): number | undefined | ApiError {
  const text = headers[MAX_BYTES_HEADER];
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(String(text))) return Number(text);
  return { status: 400, message: `bad ${MAX_BYTES_HEADER} "${text}": expected a whole number of bytes` };
}

interface ReadExchange {
  readonly call: SnapshotCall;
  readonly gone: AbortSignal;
  readonly response: ServerResponse;
  readonly stallMs: number | undefined;
}

/** The queries are done before the status is sent, so that their failure can still be told. */
async function sendRead(reader: Reader, { call, gone, response, stallMs }: ReadExchange): Promise<void> {
  const answer = await reader.read(call, gone);
  if (answer.kind === 'gone') {
    const refusal: SnapshotGone = { error: answer.reason, kind: 'snapshot-gone' };
    return sendJson(response, JSON.stringify(refusal), 410);
  }
  dropWhenStalled(response, stallMs);
  response.writeHead(200, { 'content-type': 'application/x-ndjson', [AS_OF_HEADER]: String(answer.asOf) });
  const rest = pieces(answer.lines);
  const first = rest.next().value ?? '';
  // Most answers are one piece; a stream of it takes turns of its own.
  if (first.length < WRITE_CHARS) return void response.end(first);
  response.write(first);
  await pipeline(Readable.from(rest), response);
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
