import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseCall, type ReadCall, type Reader } from '../reads/reader.ts';
import { createSlots } from '../reads/slots.ts';
import { readJson, sendError } from './bodies.ts';
import { callerGone, type Route } from './route.ts';

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_RUNNING_READS = 8;
const MAX_WAITING_READS = 64;
/** Lines are joined to pieces of about this size before they are written. */
const WRITE_CHARS = 64 * 1024;

/** `POST reads/<name>`: the reads of the read contract. */
export function createReadRoute(reader: Reader): Route {
  const slots = createSlots({ running: MAX_RUNNING_READS, waiting: MAX_WAITING_READS });
  return {
    method: 'POST',
    path: /^reads\/([^/]+)$/,
    async handle({ request, response, name }) {
      const body = await readJson(request, MAX_BODY_BYTES);
      if (body.kind === 'refused') return sendError(response, body);
      const call = parseCall(name, body.value);
      if (call.name === 'unknown') {
        return sendError(response, { status: 404, message: `no read is called ${name}` });
      }
      if (call.name === 'invalid') return sendError(response, { status: 400, message: call.reason });

      const isDone = await slots.run(async () => {
        await sendRead(reader, call, response);
        return true;
      });
      if (isDone === undefined) {
        sendError(response, { status: 503, message: `${MAX_WAITING_READS} reads are waiting already` });
      }
    },
  };
}

/** The query is whole before the status is sent, so that its failure can still be told. */
async function sendRead(reader: Reader, call: ReadCall, response: ServerResponse): Promise<void> {
  const gone = callerGone(response);
  if (gone.aborted) return;
  const lines = await reader.read(call, gone);
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
