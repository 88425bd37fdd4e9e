import { describe, expect, it } from 'vitest';
import { nanosKey } from '../../src/shared/read/ndjson.ts';
import { type QueryHarness, type StubBehaviour, startOverStubs } from '../support/query-harness.ts';
import { answers, type StubRow, type StubShard } from '../support/stub-shard.ts';

let shards: StubShard[];
let query: QueryHarness;

async function start(...behaviours: StubBehaviour[]): Promise<void> {
  ({ shards, query } = await startOverStubs(behaviours));
}

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const span = (start: bigint, traceId: string, spanId: string): StubRow => ({
  key: [nanosKey(start), traceId, spanId],
  row: { start: String(start), trace_id: traceId, span_id: spanId },
});
const point = (time: bigint, name: string, row: unknown = { name, time: String(time) }): StubRow => ({
  key: [nanosKey(time), name, 'web', '0'.repeat(16)],
  row,
});
const names = (body: Record<string, unknown>) =>
  (body.metrics as { name: string; time: string }[]).map(({ name, time }) => `${name}@${time}`);

describe('rows over several shards', () => {
  it('F12: metrics are newest first over all names and shards, also under a small limit', async () => {
    await start(
      answers([point(30n, 'a'), point(20n, 'z')]),
      answers([point(40n, 'm'), point(30n, 'b'), point(10n, 'z')]),
    );
    expect(names((await query.get('/api/v1/metrics?limit=3')).body)).toEqual(['m@40', 'b@30', 'a@30']);
  });

  it('F13: a span that two shards hold is shown once, equal records as often as they were sent', async () => {
    const twice = span(20n, TRACE_ID, 'b');
    await start(answers([twice, span(10n, TRACE_ID, 'a')]), answers([twice]));
    const { body } = await query.get('/api/v1/traces?limit=2');
    expect(body.spans).toEqual([twice.row, span(10n, TRACE_ID, 'a').row]);
    await start(answers([point(1n, 'a'), point(1n, 'a')]), answers([point(1n, 'a')]));
    expect((await query.get('/api/v1/metrics')).body).toMatchObject({ count: 3 });
  });

  it('F15: spans of equal start are in the order of their ids, whichever shard holds them', async () => {
    const spans = ['f', 'e', 'd', 'c'].map(id => span(10n, id.repeat(32), id.repeat(16)));
    const expected = spans.map(({ row }) => row);
    for (const split of [
      [
        [0, 2],
        [1, 3],
      ],
      [
        [1, 3],
        [0, 2],
      ],
      [[3], [0, 1, 2]],
    ]) {
      await start(...split.map(own => answers(own.map(index => spans[index] as StubRow))));
      expect((await query.get('/api/v1/traces')).body.spans).toEqual(expected);
    }
  });

  it('H3: rows are passed on as the bytes that the shard sent', async () => {
    const rows = ['{"n":1.0,"big":123456789012345678901,"s":"\\u00e9 \\/ 😀"}', '{ "twice":1,"twice":2 }'];
    const lines = rows.map((row, index) => {
      const time = nanosKey(BigInt(9 - index));
      return `{"k":["${time}","${time}","","","0"],"v":${row}}\n`;
    });
    const trailer = '{"end":{"rows":2,"asOf":"1","truncated":false}}\n';
    await start(response => void response.end(lines.join('') + trailer));
    expect((await query.get('/api/v1/logs')).text).toMatch(`{"logs":[${rows.join(',')}],"count":2,`);
  });

  it('H7: a record that no schema would take costs nothing but is shown as it is', async () => {
    const odd = { name: 7, value: null, unit: [], attributes: 'none' };
    await start(answers([point(3n, 'a', odd)]), answers([point(2n, 'b')]));
    const { body } = await query.get('/api/v1/metrics');
    expect(body).toMatchObject({ metrics: [odd, { name: 'b' }], count: 2, partial: false });
  });

  it.each([
    ['traces', 'spans', span(1n, TRACE_ID, 'a')],
    ['logs', 'logs', { key: [nanosKey(1n), nanosKey(1n), '', '', ''], row: {} }],
    ['metrics', 'metrics', point(1n, 'a')],
  ])('D11: limit=0 gives no rows of %s, whatever a shard says', async (read, member, row) => {
    await start(answers([row]));
    const { status, body } = await query.get(`/api/v1/${read}?limit=0`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ [member]: [], partial: false });
    expect(body).not.toHaveProperty('next_cursor');
    expect(shards[0]?.reads[0]?.body).toMatchObject({ limit: 0 });
    expect((await query.get(`/api/v1/${read}?limit=1`)).body[member]).toHaveLength(1);
  });

  it('a limit above the setting is refused, and says what is accepted', async () => {
    await start(answers([]));
    for (const read of ['traces', 'logs', 'metrics']) {
      const { status, body } = await query.get(`/api/v1/${read}?limit=1001`);
      expect(status).toBe(400);
      expect(body.error).toBe('bad limit "1001": expected a whole number from 0 to 1000 (query.maxRows)');
    }
  });
});
