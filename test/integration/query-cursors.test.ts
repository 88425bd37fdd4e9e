import { describe, expect, it } from 'vitest';
import { nanosKey } from '../../src/shared/read/ndjson.ts';
import { type QueryHarness, type StubBehaviour, startOverStubs } from '../support/query-harness.ts';
import { answers, type StubRow, type StubShard } from '../support/stub-shard.ts';

let shards: StubShard[];
let query: QueryHarness;

async function start(...behaviours: StubBehaviour[]): Promise<void> {
  ({ shards, query } = await startOverStubs(behaviours));
}

const record = (time: bigint, tie: string): StubRow => ({
  key: [nanosKey(time), nanosKey(time), '', '', tie.repeat(16)],
  row: { body: tie },
});
const ROWS = [record(3n, 'c'), record(2n, 'b'), record(1n, 'a')];

async function firstCursor(search = ''): Promise<string> {
  const { body } = await query.get(`/api/v1/logs?limit=1${search}`);
  return body.next_cursor as string;
}

const BAD = 'bad cursor: expected the next_cursor of an earlier answer; ';

describe('a cursor', () => {
  it('asks every shard at the commit and in the window of the first page', async () => {
    await start(answers(ROWS));
    const cursor = await firstCursor('&last=1h&service=web');
    await query.get(`/api/v1/logs?limit=2&last=1h&service=web&cursor=${cursor}`);
    const fromNs = String((1_700_000_000_000n - 3_600_000n) * 1_000_000n);
    expect(shards[0]?.reads.map(read => read.body)).toEqual([
      { service: 'web', fromNs, limit: 2 },
      { service: 'web', fromNs, limit: 4, startAt: ROWS[0]?.key, asOf: '1' },
    ]);
  });

  it('is not there behind the last row', async () => {
    await start(answers(ROWS));
    expect((await query.get('/api/v1/logs?limit=3')).body).not.toHaveProperty('next_cursor');
    expect((await query.get('/api/v1/logs?limit=2')).body).toHaveProperty('next_cursor');
  });

  it.each([
    ['another filter', 'service=db'],
    ['another window', 'service=web&last=2h'],
    ['no filter', ''],
  ])('is refused with %s', async (_what, search) => {
    await start(answers(ROWS));
    const cursor = await firstCursor('&service=web&last=1h');
    const { status, body } = await query.get(`/api/v1/logs?${search}&cursor=${cursor}`);
    expect(status).toBe(400);
    expect(body.error).toBe(
      `${BAD}this one is of other parameters: from page to page only limit, timeout, partial and explain may change`,
    );
  });

  it('stays good when a filter is written in another way', async () => {
    await start(answers(ROWS));
    const cursor = await firstCursor('&severity=error');
    expect((await query.get(`/api/v1/logs?severity=ERROR&timeout=5s&cursor=${cursor}`)).status).toBe(200);
  });

  it.each(['60m', '3600', '+3600s'])('stays good when its window of 1h is written as %s', async last => {
    await start(answers(ROWS));
    const cursor = await firstCursor('&last=1h');
    const { status } = await query.get(`/api/v1/logs?last=${encodeURIComponent(last)}&cursor=${cursor}`);
    expect(status).toBe(200);
  });

  it('is refused by another read', async () => {
    await start(answers(ROWS));
    const { status, body } = await query.get(`/api/v1/metrics?cursor=${await firstCursor()}`);
    expect(status).toBe(400);
    expect(body.error).toBe(`${BAD}this one is of logs, not of metrics`);
  });

  it('is refused, and no shard asked, when it has been tampered with', async () => {
    await start(answers(ROWS));
    const cursor = await firstCursor();
    const form = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const forged = Buffer.from(JSON.stringify({ ...form, key: ['1'.repeat(20), 'x', '', '', ''] }));
    for (const [text, error] of [
      ['x', 'bad cursor "x": expected the next_cursor of an earlier answer'],
      [forged.toString('base64url'), `${BAD}key.1: expected 20 digits`],
      [`${cursor}&cursor=${cursor}`, 'parameter cursor is given more than once, accepted is one value'],
    ] as const) {
      expect(await query.get(`/api/v1/logs?cursor=${text}`)).toMatchObject({ status: 400, body: { error } });
    }
    expect(shards[0]?.reads).toHaveLength(1);
  });

  it('whose rows retention has deleted is 410, with the reason', async () => {
    const error = 'retention has deleted records since commit 1 was read';
    await start(answers(ROWS), (response, request, read) => {
      const asked = shards[1]?.reads.at(-1)?.body;
      if (!JSON.stringify(asked).includes('"asOf"')) answers(ROWS)(response, request, read);
      else response.writeHead(410).end(JSON.stringify({ error, kind: 'snapshot-gone' }));
    });
    const { status, body } = await query.get(`/api/v1/logs?cursor=${await firstCursor()}`);
    expect(status).toBe(410);
    expect(body.error).toBe(`the cursor cannot go on: ${error}`);
  });

  it('of a page that missed a shard begins that shard at the row where the page ended', async () => {
    let isDown = true;
    await start(answers(ROWS), (response, request, read) => {
      if (isDown) response.writeHead(500).end();
      else answers(ROWS)(response, request, read);
    });
    const cursor = await firstCursor();
    isDown = false;
    await query.get(`/api/v1/logs?cursor=${cursor}`);
    expect(shards[1]?.reads.at(-1)?.body).toEqual({ limit: 101, startAt: ROWS[0]?.key });
  });
});
