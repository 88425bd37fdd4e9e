import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decoderOf, everyRow } from '../../src/query/merge/every-row.ts';
import { compareKeys, type KeyOrder } from '../../src/query/merge/key-order.ts';
import { BrokenPart } from '../../src/query/merge/row-part.ts';
import type { ShardReads } from '../../src/query/reads/read.ts';
import { rowLine } from '../../src/shared/read/ndjson.ts';

interface Row {
  readonly key: readonly [string, string];
  readonly text: string;
}

/** Few distinct keys, so that many rows share one, on one shard and on several. */
const element = fc.constantFrom('a', 'b', 'c', '\uffee', '😀');
const row: fc.Arbitrary<Row> = fc.record({
  key: fc.tuple(element, element),
  text: fc.constantFrom('x', 'y'),
});
const shardedRows = fc.array(fc.record({ row, shard: fc.nat(2) }), { maxLength: 40 });
const order = fc.tuple(
  fc.constantFrom('ascending' as const, 'descending' as const),
  fc.constantFrom('ascending' as const, 'descending' as const),
);

function sorted(rows: readonly Row[], keyOrder: KeyOrder): Row[] {
  return rows.toSorted(
    (a, b) => compareKeys(a.key, b.key, keyOrder) || Number(b.text > a.text) - Number(a.text > b.text),
  );
}

/** Shards that give pages as the read contract says: from `startAt` on, itself included, up to `limit` rows. */
function shardsOf(rows: readonly { row: Row; shard: number }[], keyOrder: KeyOrder) {
  const asked: number[] = [];
  const ask = (_name: string, request: { startAt?: readonly string[]; limit: number }) => {
    asked.push(request.limit);
    return Promise.resolve(
      [0, 1, 2].map(shard => {
        const { startAt, limit } = request;
        const page = sorted(
          rows.filter(each => each.shard === shard).map(each => each.row),
          keyOrder,
        ).filter(({ key }) => startAt === undefined || compareKeys(startAt, key, keyOrder) <= 0);
        const lines = page
          .slice(0, limit)
          .map(({ key, text }) => rowLine(key, JSON.stringify({ key, text })));
        return { shardId: `s${shard}`, lines: Buffer.from(lines.join('')) };
      }),
    );
  };
  return { shards: { ask } as unknown as ShardReads, asked };
}

const decode = decoderOf(z.object({ key: z.tuple([z.string(), z.string()]), text: z.string() }));

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const each of rows) list.push(each);
  return list;
}

describe('every row, page by page', () => {
  it('is the sorted whole, however the rows are spread and however small the pages are', async () => {
    await fc.assert(
      fc.asyncProperty(
        shardedRows,
        order,
        fc.integer({ min: 1, max: 12 }),
        async (rows, keyOrder, pageRows) => {
          const { shards } = shardsOf(rows, keyOrder);
          const given = await all(
            everyRow(shards, { name: 'comments', request: {}, order: keyOrder, decode, pageRows }),
          );
          expect(given).toEqual(
            sorted(
              rows.map(each => each.row),
              keyOrder,
            ),
          );
        },
      ),
    );
  });

  it('is each identity once, the first in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        shardedRows,
        order,
        fc.integer({ min: 1, max: 12 }),
        async (rows, keyOrder, pageRows) => {
          const { shards } = shardsOf(rows, keyOrder);
          const identity = (key: readonly string[]) => key[1] as string;
          const given = await all(
            everyRow(shards, { name: 'comments', request: {}, order: keyOrder, decode, pageRows, identity }),
          );
          const whole = sorted(
            rows.map(each => each.row),
            keyOrder,
          );
          const first = whole.filter(
            ({ key }, at) => whole.findIndex(other => other.key[1] === key[1]) === at,
          );
          expect(given).toEqual(first);
        },
      ),
    );
  });

  it('asks for no more than was looked at', async () => {
    const rows = Array.from({ length: 30 }, (_, index) => ({
      row: { key: ['a', String.fromCharCode(65 + index)] as const, text: 'x' },
      shard: index % 3,
    }));
    const { shards, asked } = shardsOf(rows, ['ascending', 'ascending']);
    const some = everyRow(shards, {
      name: 'comments',
      request: {},
      order: ['ascending', 'ascending'],
      decode,
      pageRows: 2,
    });
    expect((await some.next()).value).toMatchObject({ key: ['a', 'A'] });
    await some.return(undefined);
    expect(asked).toEqual([2]);
  });

  it.each([
    ['out of order', [rowLine(['b', 'a'], '{}'), rowLine(['a', 'a'], '{}')], 'sent rows out of order'],
    ['with another key', [rowLine(['a'], '{}')], 'sent a row whose key does not fit the read'],
    ['without their members', [rowLine(['a', 'a'], '{"key":["a","a"]}')], 'sent a malformed row'],
    ['that are no JSON', [rowLine(['a', 'a'], '{')], 'sent a malformed row'],
  ])('says which shard sent rows %s', async (_what, lines, reason) => {
    const parts = [{ shardId: 's7', lines: Buffer.from(lines.join('')) }];
    const shards = { ask: () => Promise.resolve(parts) } as unknown as ShardReads;
    const reading = all(
      everyRow(shards, { name: 'comments', request: {}, order: ['ascending', 'ascending'], decode }),
    );
    const error = await reading.catch((each: unknown) => each);
    expect(error).toBeInstanceOf(BrokenPart);
    expect(error).toMatchObject({ shardId: 's7', message: reason });
  });
});
