import { describe, expect, it } from 'vitest';
import { BrokenPart } from '../../../../src/query/merge/row-part.ts';
import { everyPoint, type Point } from '../../../../src/query/promql/points.ts';
import type { ShardReads } from '../../../../src/query/reads/read.ts';
import { nanosKey, rowLine } from '../../../../src/shared/read/ndjson.ts';

const ROW = {
  timestamp: '1970-01-01T00:00:01.000000007Z',
  name: 'x',
  service: 'shop',
  attributes: { a: 'b' },
  value: 1,
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
      { name: 'x', service: 'shop', attributes: { a: 'b' }, timeNs: 1_000_000_007n, value: 1 },
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

  it('keep attributes of any name', async () => {
    const attributes = JSON.parse('{"__proto__":"a","":"b"}') as Record<string, string>;
    const [point] = await pointsOf(shardsWith({ ...ROW, attributes }).shards);
    expect(Object.entries(point?.attributes ?? {})).toEqual([
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
