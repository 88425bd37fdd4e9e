import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeRows } from '../../src/query/merge/k-way.ts';
import { compareUtf8, type KeyOrder } from '../../src/query/merge/key-order.ts';
import type { RowPart } from '../../src/query/merge/row-part.ts';
import { rowLine } from '../../src/shared/read/ndjson.ts';

interface Row {
  readonly key: readonly string[];
  readonly json: string;
}

/** Few distinct elements, so that ties happen, among them the pairs that UTF-16 orders the other way round. */
const element = fc.constantFrom('', 'a', 'b', 'ab', 'é', '\uffee', '😀', '"],"v":', '\\', '\n', '0', '9');
const row = fc.record({ key: fc.tuple(element, element, element), json: fc.json() });
const shardedRows = fc.array(fc.record({ row, shard: fc.nat(4) }), { maxLength: 60 });
const order = fc.array(fc.constantFrom('ascending' as const, 'descending' as const), {
  minLength: 3,
  maxLength: 3,
});

/** Written on its own terms: the reference for what the merge must give. */
function sorted(rows: readonly Row[], keyOrder: KeyOrder): Row[] {
  return rows.toSorted((a, b) => {
    for (const [index, direction] of keyOrder.entries()) {
      const compared = Buffer.compare(Buffer.from(a.key[index] ?? ''), Buffer.from(b.key[index] ?? ''));
      if (compared !== 0) return direction === 'ascending' ? compared : -compared;
    }
    return Buffer.compare(Buffer.from(b.json), Buffer.from(a.json));
  });
}

function partsOf(
  rows: readonly { readonly row: Row; readonly shard: number }[],
  keyOrder: KeyOrder,
): RowPart[] {
  return [0, 1, 2, 3, 4].map(shard => {
    const own = rows.filter(sharded => sharded.shard === shard).map(sharded => sharded.row);
    const lines = sorted(own, keyOrder).map(({ key, json }) => rowLine(key, json));
    return { shardId: `s${shard}`, lines: Buffer.from(lines.join('')) };
  });
}

describe('the merge of rows', () => {
  it('gives the sorted whole however the rows are spread over shards', () => {
    fc.assert(
      fc.property(shardedRows, order, fc.nat(70), (rows, keyOrder, limit) => {
        const whole = sorted(
          rows.map(sharded => sharded.row),
          keyOrder,
        );
        expect(mergeRows({ parts: partsOf(rows, keyOrder), order: keyOrder, limit })).toEqual(
          whole.slice(0, limit).map(({ json }) => json),
        );
      }),
    );
  });

  it('keeps the first row of each identity, also when copies are on several shards', () => {
    fc.assert(
      fc.property(shardedRows, fc.nat(20), (rows, limit) => {
        const keyOrder: KeyOrder = ['descending', 'descending', 'descending'];
        const identity = (key: readonly string[]) => JSON.stringify(key.slice(1));
        const firsts = new Map<string, string>();
        for (const { key, json } of sorted(
          rows.map(sharded => sharded.row),
          keyOrder,
        )) {
          if (!firsts.has(identity(key))) firsts.set(identity(key), json);
        }
        expect(mergeRows({ parts: partsOf(rows, keyOrder), order: keyOrder, limit, identity })).toEqual(
          [...firsts.values()].slice(0, limit),
        );
      }),
    );
  });

  it('orders text as its UTF-8 bytes', () => {
    const text = fc.string({ unit: 'binary' }).filter(candidate => candidate.isWellFormed());
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
  });
});
