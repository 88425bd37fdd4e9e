import { describe, expect, it } from 'vitest';
import { nanosKey } from '../../src/shared/read/ndjson.ts';
import { type QueryHarness, type StubBehaviour, startOverStubs } from '../support/query-harness.ts';
import { answers, ndjson, type StubRow, type StubShard } from '../support/stub-shard.ts';

const record = (time: bigint, tie: string): StubRow => ({
  key: [nanosKey(time), nanosKey(time), '', '', tie.repeat(16)],
  row: { body: tie },
});
const ROWS = [record(4n, 'd'), record(2n, 'b')];
const OTHER_ROWS = [record(3n, 'c'), record(1n, 'a')];
const REASON = 'retention has deleted records since commit 1 was read';

let shards: StubShard[];
let query: QueryHarness;
async function start(...behaviours: StubBehaviour[]): Promise<void> {
  ({ shards, query } = await startOverStubs(behaviours, { timeoutMs: 20_000 }));
}

/** Gives its first row only, and then has lost the snapshot of it, as often as it is told. */
function losing(rows: readonly StubRow[], times: number): StubBehaviour {
  let left = times;
  return (response, request, read) => {
    const { startAt } = read.body as { startAt?: unknown };
    if (startAt !== undefined) {
      left--;
      response.writeHead(410).end(JSON.stringify({ error: REASON, kind: 'snapshot-gone' }));
    } else if (left > 0) response.end(ndjson(rows.slice(0, 1), { truncated: true }));
    else answers(rows)(response, request, read);
  };
}

const bodies = (body: Record<string, unknown>) =>
  (body.logs as readonly { readonly body: string }[]).map(log => log.body);

describe('rows whose snapshot is gone before any of them was sent', () => {
  it.each(['', '&partial=false'])('are read anew, of all shards, at their last commits %s', async search => {
    await start(losing(ROWS, 1), answers(OTHER_ROWS));
    const { status, body } = await query.get(`/api/v1/logs?limit=10${search}`);
    expect([status, body.partial]).toEqual([200, false]);
    expect(bodies(body)).toEqual(['d', 'c', 'b', 'a']);
    const asked = shards.map(({ reads }) => reads.map(read => (read.body as { asOf?: string }).asOf));
    expect(asked).toEqual([
      [undefined, '1', undefined],
      [undefined, undefined],
    ]);
  });

  it('are read anew once; a shard that loses them again is missing', async () => {
    await start(losing(ROWS, 2), answers(OTHER_ROWS));
    const { status, body } = await query.get('/api/v1/logs?limit=10');
    expect(status).toBe(200);
    expect(body).toMatchObject({ partial: true, shards: { failed: [{ id: 's0', reason: REASON }] } });
    expect(bodies(body)).toEqual(['c', 'a']);
  });
});
