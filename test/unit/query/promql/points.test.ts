import { describe, expect, it } from 'vitest';
import { BrokenPart } from '../../../../src/query/merge/row-part.ts';
import { everyPoint, type Point } from '../../../../src/query/promql/points.ts';
import type { ShardReads } from '../../../../src/query/reads/read.ts';
import { nanosKey, rowLine } from '../../../../src/shared/read/ndjson.ts';

/** In the order that shards write. */
const ROW = {
  timestamp: '1970-01-01T00:00:01.000000007Z',
  service: 'shop',
  name: 'x',
  metric_type: 'sum',
  value: 1,
  unit: '1',
  attributes: { a: 'b' },
};

/** Shards that give these rows to whatever they are asked. */
function shardsWith(...rows: readonly object[]) {
  const asked: unknown[] = [];
  const lines = rows.map((row, index) =>
    rowLine([nanosKey(1n), 'x', 'shop', String(9 - index)], JSON.stringify(row)),
  );
  const ask = (...question: unknown[]) => {
    asked.push(question);
    return Promise.resolve([{ shardId: 's0', lines: Buffer.from(lines.join('')) }]);
  };
  return { asked, shards: { ask } as unknown as ShardReads };
}

async function pointsOf(shards: ShardReads): Promise<Point[]> {
  const points: Point[] = [];
  for await (const point of everyPoint(shards, { name: 'x' })) points.push(point);
  return points;
}

describe('the points of a PromQL query', () => {
  it('are read to the nanosecond, without the bulky parts of their rows', async () => {
    const { asked, shards } = shardsWith(ROW);
    expect(await pointsOf(shards)).toMatchObject([
      { source: { name: 'x', service: 'shop', attributes: { a: 'b' } }, timeNs: 1_000_000_007n, value: 1 },
    ]);
    expect(asked).toMatchObject([['metrics', { name: 'x', bare: true }]]);
  });

  it('have the values that are not finite, and none where a point has none', async () => {
    const { shards } = shardsWith(
      { ...ROW, value: null, value_text: 'NaN' },
      { ...ROW, value: null },
      { ...ROW, value: 0 },
    );
    expect((await pointsOf(shards)).map(({ value }) => value)).toEqual([Number.NaN, undefined, 0]);
  });

  it('are their own, though most of their rows is the same', async () => {
    const at = (seconds: number) => `1970-01-01T00:00:0${seconds}Z`;
    const { shards } = shardsWith(
      { ...ROW, timestamp: at(3), value: 30 },
      { ...ROW, timestamp: at(2), value: -0.5e-7 },
      { ...ROW, timestamp: at(2), value: 8, attributes: { a: 'c' } },
      { ...ROW, timestamp: at(1), value: 7 },
    );
    const points = await pointsOf(shards);
    expect(points.map(({ source, timeNs, value }) => [source.attributes.a, timeNs, value])).toEqual([
      ['b', 3_000_000_000n, 30],
      ['b', 2_000_000_000n, -0.5e-7],
      ['c', 2_000_000_000n, 8],
      ['b', 1_000_000_000n, 7],
    ]);
  });

  it('have no value but their own, wherever one lies in the row', async () => {
    const { timestamp, ...rest } = ROW;
    const inner = (value: number) => ({ timestamp, more: { a: 1, value, b: 2 }, ...rest });
    const { shards } = shardsWith(inner(1), inner(2), { ...ROW, name: ',"value":3,' });
    expect((await pointsOf(shards)).map(({ value }) => value)).toEqual([1, 1, 1]);
  });

  it.each(['01', '+1', '1.', '.5', '1e400', 'Infinity', '0x1', '"1"', '1 1', ''])(
    'are refused from a shard that sends the value %s after a good one',
    async value => {
      const row = (text: string) =>
        rowLine(
          [nanosKey(1n), 'x', 'shop', 'a'],
          `{"timestamp":"${ROW.timestamp}","service":"shop","name":"x","value":${text},"attributes":{}}`,
        );
      const lines = Buffer.from(row('1') + row(value));
      const shards = { ask: () => Promise.resolve([{ shardId: 's0', lines }]) } as unknown as ShardReads;
      await expect(pointsOf(shards)).rejects.toThrow('sent a malformed row');
    },
  );

  it('keep attributes of any name', async () => {
    const attributes = JSON.parse('{"__proto__":"a","":"b"}') as Record<string, string>;
    const [point] = await pointsOf(shardsWith({ ...ROW, attributes }).shards);
    expect(Object.entries(point?.source.attributes ?? {})).toEqual([
      ['__proto__', 'a'],
      ['', 'b'],
    ]);
  });

  it.each([
    { value: '1' },
    { attributes: { a: 1 } },
    { timestamp: 7 },
    { timestamp: 'yesterday' },
    { name: null },
  ])('are refused from a shard that sends %j', async change => {
    const error = await pointsOf(shardsWith({ ...ROW, ...change }).shards).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BrokenPart);
    expect(error).toMatchObject({ shardId: 's0', message: 'sent a malformed row' });
  });
});
