import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareUtf8 } from '../../../../src/query/merge/key-order.ts';
import { BrokenPart, type RowPart } from '../../../../src/query/merge/row-part.ts';
import { repeatsOf, slotsOnSeveral } from '../../../../src/query/merge/shared-traces.ts';
import { rowLine } from '../../../../src/shared/read/ndjson.ts';

const slotsPart = (shardId: string, ...slots: [number, number][]): RowPart => ({
  shardId,
  lines: Buffer.from(rowLine([], JSON.stringify({ slots }))),
});

const tracesPart = (shardId: string, keys: readonly (readonly string[])[]): RowPart => ({
  shardId,
  lines: Buffer.from(keys.map(key => rowLine(key, '{}')).join('')),
});

describe('slots that several shards have traces of', () => {
  it('are those in the ranges of at least two', () => {
    const parts = [slotsPart('s0', [0, 10], [20, 20]), slotsPart('s1', [8, 12]), slotsPart('s2', [10, 20])];
    expect(slotsOnSeveral(parts)).toEqual([
      [8, 12],
      [20, 20],
    ]);
  });

  it('are none of one shard alone, however much it has', () => {
    expect(slotsOnSeveral([slotsPart('s0', [0, 16_383])])).toEqual([]);
  });

  it('blame the shard whose slots do not exist', () => {
    expect(() => slotsOnSeveral([slotsPart('s0', [0, 16_384])])).toThrow(BrokenPart);
  });
});

describe('traces that are counted too often', () => {
  it('are what the sum over the shards has over the traces there are, of each service', () => {
    const key = fc.tuple(fc.constantFrom('a', 'b', '\uffee', '😀'), fc.constantFrom('1', '2', '3', '4'));
    const shard = fc.uniqueArray(key, { selector: each => each.join(' ') });
    fc.assert(
      fc.property(fc.array(shard, { maxLength: 4 }), shards => {
        const parts = shards.map((keys, index) =>
          tracesPart(
            `s${index}`,
            keys.toSorted(([a, x], [b, y]) => compareUtf8(a, b) || compareUtf8(x, y)),
          ),
        );
        const repeats = repeatsOf(parts);
        for (const service of ['a', 'b', '\uffee', '😀']) {
          const all = shards.flat().filter(([name]) => name === service);
          const distinct = new Set(all.map(([, trace]) => trace));
          expect(repeats.get(service) ?? 0).toBe(all.length - distinct.size);
        }
      }),
    );
  });

  it.each([
    [
      'out of order',
      [
        ['a', '2'],
        ['a', '1'],
      ],
    ],
    [
      'twice',
      [
        ['a', '1'],
        ['a', '1'],
      ],
    ],
    ['of another read', [['a'], ['b']]],
  ])('blame the shard that sends rows %s', (_what, keys) => {
    const parts = [
      tracesPart('s0', [
        ['a', '1'],
        ['b', '1'],
        ['c', '1'],
      ]),
      tracesPart('s1', keys),
    ];
    expect(() => repeatsOf(parts)).toThrow(expect.objectContaining({ shardId: 's1' }));
  });
});
