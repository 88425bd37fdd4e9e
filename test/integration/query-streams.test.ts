import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { rowLine, trailerLine } from '../../src/shared/read/ndjson.ts';
import { parseMetrics, sumOf } from '../support/metrics.ts';
import {
  type HarnessOptions,
  type QueryHarness,
  type StubBehaviour,
  startOverStubs,
} from '../support/query-harness.ts';
import { answers, type StubShard } from '../support/stub-shard.ts';

const MIB = 1024 * 1024;
/** Of tests that it says nothing to. */
const AMPLE_MS = 60_000;
/** Of those that wait for it: some twenty megabytes come in a second, on however busy a machine in five. */
const DEADLINE_MS = 6_000;

let shards: StubShard[];
let query: QueryHarness;

async function start(behaviours: readonly StubBehaviour[], options: HarnessOptions = {}): Promise<void> {
  ({ shards, query } = await startOverStubs(behaviours, { timeoutMs: AMPLE_MS, ...options }));
}

/** A row of about a mebibyte; those with lower numbers come first. */
function bigRow(no: number, shard: string): string {
  const time = String(999 - no).padStart(20, '0');
  const body = { body: `${shard} ${no}`, filler: 'x'.repeat(MIB) };
  return rowLine([time, time, '', '', 'f'.repeat(16)], JSON.stringify(body));
}

interface Sent {
  rows: number;
}

/** Writes rows as fast as they are taken, and then what `end` does. */
function bigRows(
  count: number,
  shard: string,
  end?: (response: ServerResponse) => void,
): StubBehaviour & Sent {
  const behave = (response: ServerResponse) => {
    const rows = Readable.from(rowsOf());
    const finish = end ?? (() => response.end(trailerLine({ rows: count, asOf: '1', truncated: false })));
    pipeline(rows, response, { end: false }).then(
      () => finish(response),
      () => {},
    );
  };
  function* rowsOf() {
    for (let no = 0; no < count; no++) {
      behave.rows++;
      yield bigRow(no, shard);
    }
  }
  behave.rows = 0;
  return behave;
}

/** Not before the rows that it wrote are on their way. */
async function breakOff(response: ServerResponse): Promise<void> {
  while (response.writableLength > 0) await setImmediate();
  response.destroy();
}

function open(path: string, method = 'GET'): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${query.origin}${path}`, { method, agent: false }, resolve);
    request.on('error', reject);
    request.end();
  });
}

interface LogsBody {
  readonly logs: readonly { readonly body: string }[];
  readonly count: number;
  readonly partial: boolean;
  readonly shards: unknown;
}

async function bodyOf(response: IncomingMessage): Promise<LogsBody> {
  return JSON.parse(await text(response)) as LogsBody;
}

const rowsUpTo = (count: number, shard: string) => Array.from({ length: count }, (_, no) => `${shard} ${no}`);
const small = answers([{ key: ['0', '0', '', '', 'a'], row: { body: 'last' } }]);

describe('an answer that is larger than what is held', () => {
  it('comes in pieces, and says at its end which shards it contains', async () => {
    await start([bigRows(20, 's0'), small]);
    const response = await open('/api/v1/logs');
    expect(response.statusCode).toBe(200);
    expect(response.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'transfer-encoding': 'chunked',
      trailer: 'Otelfan-Partial, Otelfan-Missing-Shards',
    });
    const body = await bodyOf(response);
    expect(body.logs.map(row => row.body)).toEqual([...rowsUpTo(20, 's0'), 'last']);
    expect(Object.keys(body)).toEqual(['logs', 'count', 'partial', 'shards']);
    expect(body).toMatchObject({ count: 21, partial: false, shards: { total: 2, ok: 2, failed: [] } });
    expect(response.trailers).toEqual({});
  });

  it.each<[string, (response: ServerResponse) => void, RegExp, number?]>([
    ['breaks off', response => void breakOff(response), /^answer was cut off \(\w+\)$/],
    ['stalls', () => {}, /^no answer within 5500 ms$/, DEADLINE_MS],
    ['sends garbage', response => void response.end('garbage\n'), /^sent a malformed row$/],
    ['forgets its trailer', response => void response.end(), /^answer ended without its trailer$/],
  ])('names a shard that %s in the middle of it', async (_what, end, reason, timeoutMs = AMPLE_MS) => {
    await start([bigRows(20, 's0', end), small], { timeoutMs });
    const response = await open('/api/v1/logs');
    const body = await bodyOf(response);
    expect(body.logs.map(row => row.body)).toEqual([...rowsUpTo(20, 's0'), 'last']);
    expect(body).toMatchObject({
      partial: true,
      shards: { total: 2, ok: 1, failed: [{ id: 's0', reason: expect.stringMatching(reason) }] },
    });
    expect(response.headers['otelfan-partial']).toBeUndefined();
    expect(response.trailers).toEqual({ 'otelfan-partial': 'true', 'otelfan-missing-shards': 's0' });
    const series = parseMetrics((await query.get('/metrics')).text);
    expect(sumOf(series, 'otelfan_query_partial_answers_total', { read: 'logs' })).toBe(1);
  });

  it('leaves out a shard that failed before it began', async () => {
    await start([bigRows(20, 's0'), bigRows(3, 's1', response => void response.destroy())]);
    const body = await bodyOf(await open('/api/v1/logs'));
    expect(body.logs.map(row => row.body)).toEqual(rowsUpTo(20, 's0'));
    expect(body).toMatchObject({ partial: true, shards: { failed: [{ id: 's1' }] } });
  });

  it('is refused where it must have all shards or none, and says what to lower', async () => {
    await start([bigRows(20, 's0'), small]);
    const { status, body } = await query.get('/api/v1/logs?partial=false');
    expect(status).toBe(413);
    expect(body).toEqual({
      error:
        'partial=false holds at most 16 MiB of rows, and there are more: lower limit or last, or leave partial=false out',
    });
    await shards[0]?.cancelled;
    expect((await query.get('/api/v1/logs?partial=false&limit=15')).status).toBe(200);
  });

  it('has no trailers for a client of HTTP/1.0, and the same body', async () => {
    await start([bigRows(20, 's0')]);
    const socket = connect(query.proxy.port, '127.0.0.1');
    socket.write('GET /api/v1/logs HTTP/1.0\r\n\r\n');
    const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n');
    expect(head).not.toMatch(/trailer|chunked/i);
    expect(JSON.parse(body)).toMatchObject({ count: 20, partial: false });
  });

  it('has a head without it', async () => {
    // More than sockets take: the shard is still sending when it is let go.
    await start([bigRows(200, 's0')]);
    const response = await open('/api/v1/logs?limit=200', 'HEAD');
    expect(response.statusCode).toBe(200);
    expect(await text(response)).toBe('');
    await shards[0]?.cancelled;
  });
});

describe('a client that', () => {
  const MANY_ROWS = 400;
  /** What is held, and what the sockets and streams on the way take. */
  const MOST_ROWS = 64;
  const REST_MS = 3_500;

  /** The rows that were sent, once no more are. */
  async function rowsAtRest(sent: Sent): Promise<number> {
    for (let before = -1; ; ) {
      if (sent.rows === before && before > 0) return before;
      before = sent.rows;
      await setTimeout(REST_MS);
    }
  }

  it('takes nothing makes the shards wait, and not the proxy take more', async () => {
    const big = bigRows(MANY_ROWS, 's0');
    await start([big, small], { timeoutMs: REST_MS });
    const response = await open('/api/v1/logs?limit=1000');
    expect(await rowsAtRest(big)).toBeLessThan(MOST_ROWS);
    response.destroy();
    await shards[0]?.cancelled;
  });

  it('is slower than the deadline gets all of its answer: the shards are not to blame', async () => {
    // Those that are held are more than sockets take, and some are still to be read.
    await start([bigRows(32, 's0'), small], { timeoutMs: DEADLINE_MS });
    const response = await open('/api/v1/logs?limit=1000');
    await setTimeout(DEADLINE_MS + 200);
    expect(await bodyOf(response)).toMatchObject({ count: 33, partial: false });
  });

  it('takes nothing for too long is dropped, and the shards are let go', async () => {
    await start([bigRows(MANY_ROWS, 's0'), small], { stallMs: 500 });
    const response = await open('/api/v1/logs?limit=1000');
    await shards[0]?.cancelled;
    await expect(text(response)).rejects.toThrow('aborted');
  });
});

describe('the limit', () => {
  it('lets a shard go at once that has nothing more to say and does not end', async () => {
    await start([bigRows(3, 's0', () => {}), small]);
    const { body } = await query.get('/api/v1/logs?limit=2');
    expect(body).toMatchObject({ count: 2, partial: false });
    const sinceMs = performance.now();
    await shards[0]?.cancelled;
    // The pause that a shard may make in an answer is ten seconds here.
    expect(performance.now() - sinceMs).toBeLessThan(5_000);
  });

  it('ends the answer though a shard has more to say, and lets the shard go', async () => {
    const endless = bigRows(Number.POSITIVE_INFINITY, 's0');
    await start([endless, small]);
    const { status, body } = await query.get('/api/v1/logs?limit=2');
    expect(status).toBe(200);
    expect(body).toMatchObject({ count: 2, partial: false, shards: { ok: 2, failed: [] } });
    await shards[0]?.cancelled;
  });
});
