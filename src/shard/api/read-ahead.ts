import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { aborted } from 'node:util';
import {
  MAX_BYTES_HEADER,
  readPath,
  type ShardReadName,
  type ShardReadRequest,
} from '../../shared/read/contract.ts';
import { parseRowLine } from '../../shared/read/ndjson.ts';

interface ReadDoor {
  readonly host: string;
  readonly port: number;
}

interface ReadAheadOptions {
  /** Settles when the warm-up is over, which `services` would wait for. */
  readonly warm: Promise<void>;
  readonly mostMs?: number;
}

/** As many as a page that people look at has. */
const PAGE_ROWS = 100;
/** Rows may be large. */
const MOST_BYTES = 1_000_000;
/** Whoever waits for the shard to be ready does not wait longer for this. */
const MOST_MS = 1000;

/**
 * Asks a shard's read API for what is asked for most, as its callers do, and leaves the answers: until then no code of
 * it is compiled, and DuckDB has read little of its tables. The first trace after a start took four times as long as
 * those that followed.
 * @throws when an answer is none, or when an answer or the warm-up does not come in time
 */
export async function readAhead(door: ReadDoor, { warm, mostMs = MOST_MS }: ReadAheadOptions): Promise<void> {
  const signal = AbortSignal.timeout(mostMs);
  const [newest] = await rows(door, 'spans', { limit: PAGE_ROWS }, signal);
  if (newest !== undefined) {
    const [, traceId = ''] = parseRowLine(newest).key;
    await rows(door, 'trace', { traceId }, signal);
  }
  await rows(door, 'logs', { limit: PAGE_ROWS }, signal);
  await Promise.race([warm, aborted(signal, door)]);
  signal.throwIfAborted();
  await rows(door, 'services', {}, signal);
}

async function rows<N extends ShardReadName>(
  door: ReadDoor,
  name: N,
  request: ShardReadRequest<N>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const headers = { 'content-type': 'application/json', [MAX_BYTES_HEADER]: MOST_BYTES };
  // One connection for each, closed behind it: the shard will not ask again.
  const call = httpRequest({ ...door, path: readPath(name), method: 'POST', headers, agent: false, signal });
  call.end(JSON.stringify(request));
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const answer = await text(response);
  if (response.statusCode !== 200) throw new Error(`${name} was answered ${response.statusCode}: ${answer}`);
  // Behind the rows there is a last line.
  return answer.trimEnd().split('\n').slice(0, -1);
}
