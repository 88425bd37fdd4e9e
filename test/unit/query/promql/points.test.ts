import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareKeys } from '../../../../src/query/merge/key-order.ts';
import { BrokenPart, type RowPart } from '../../../../src/query/merge/row-part.ts';
import { type Point, pointPages } from '../../../../src/query/promql/points.ts';
import type { ShardReads } from '../../../../src/query/reads/read.ts';
import type { ShardReadRequest } from '../../../../src/shared/read/contract.ts';
import { nanosKey, rowLine } from '../../../../src/shared/read/ndjson.ts';

interface Stored {
  readonly time: number;
  readonly tie: number;
  readonly shard: number;
}

const DESCENDING = ['descending', 'descending', 'descending', 'descending'] as const;
const keyOf = ({ time, tie }: Stored) => [
  nanosKey(BigInt(time)),
  'x',
  'shop',
  tie.toString(16).padStart(16, '0'),
];

/** Shards that answer pages as the read contract says. */
function shardsWith(stored: readonly Stored[], shardCount: number) {
  const requests: ShardReadRequest<'metrics'>[] = [];
  const ask: ShardReads['ask'] = (_name, asked) => {
    const request = asked as ShardReadRequest<'metrics'>;
    requests.push(request);
    const parts = Array.from({ length: shardCount }, (_, shard): RowPart => {
      const lines = stored
        .filter(row => row.shard === shard)
        .map(row => ({ key: keyOf(row), row }))
        .filter(
          ({ key }) => request.startAt === undefined || compareKeys(request.startAt, key, DESCENDING) <= 0,
        )
        .sort((a, b) => compareKeys(a.key, b.key, DESCENDING))
        .slice(0, request.limit)
        .map(({ key, row }) => rowLine(key, rowJson({ value: row.time })));
      return { shardId: `s${shard}`, lines: Buffer.from(lines.join('')) };
    });
    return Promise.resolve(parts);
  };
  return { ask, requests };
}

function rowJson(row: object): string {
  return JSON.stringify({ name: 'x', service: 'shop', attributes: { a: 'b' }, value: 1, ...row });
}

async function pointsOf(ask: ShardReads['ask'], pageRows?: number): Promise<Point[]> {
  const points: Point[] = [];
  for await (const page of pointPages({ ask }, { name: 'x' }, pageRows)) points.push(...page);
  return points;
}

const broken =
  (...lines: string[]): ShardReads['ask'] =>
  () =>
    Promise.resolve([{ shardId: 's0', lines: Buffer.from(lines.map(line => `${line}\n`).join('')) }]);

describe('the points of a PromQL query', () => {
  it('are all there, each once, however they lie and however small the pages are', async () => {
    const row = fc.record({ time: fc.nat(6), tie: fc.nat(2), shard: fc.nat(2) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 60 }),
        fc.integer({ min: 1, max: 7 }),
        async (stored, pageRows) => {
          const points = await pointsOf(shardsWith(stored, 3).ask, pageRows);
          const text = (time: bigint | number, tie: string) => `${time} ${tie}`;
          expect(points.map(({ timeNs, tie }) => text(timeNs, tie)).toSorted()).toEqual(
            stored.map(each => text(each.time, keyOf(each)[3] ?? '')).toSorted(),
          );
        },
      ),
    );
  });

  it('come in one round when no shard has more than a page', async () => {
    const { ask, requests } = shardsWith([{ time: 1, tie: 1, shard: 0 }], 2);
    expect(await pointsOf(ask)).toEqual([
      { name: 'x', service: 'shop', attributes: { a: 'b' }, timeNs: 1n, tie: '0000000000000001', value: 1 },
    ]);
    expect(requests).toEqual([{ name: 'x', limit: 20_000, startAt: undefined }]);
  });

  it('have the values that are not finite, and none where a point has none', async () => {
    const line = (tie: string, row: object) => rowLine([nanosKey(1n), 'x', 'shop', tie], rowJson(row)).trim();
    const ask = broken(
      line('4', { value: null, value_text: 'NaN' }),
      line('3', { value: null }),
      line('2', { value: -0 }),
    );
    expect((await pointsOf(ask)).map(({ value }) => value)).toEqual([Number.NaN, undefined, 0]);
  });

  it('are refused from a shard that breaks the contract', async () => {
    const line = (time: bigint, row: object) =>
      rowLine([nanosKey(time), 'x', 'shop', '1'], rowJson(row)).trim();
    for (const [ask, reason] of [
      [broken(line(1n, {}), line(2n, {})), 'sent rows out of order'],
      [broken(line(1n, { value: '1' })), 'sent a malformed metric point'],
      [broken(line(1n, { attributes: { a: 1 } })), 'sent a malformed metric point'],
      [broken('{"k":["1"],"v":{}}'), 'sent a malformed metric point'],
    ] as const) {
      const error = await pointsOf(ask).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(BrokenPart);
      expect(error).toMatchObject({ shardId: 's0', message: reason });
    }
  });
});
