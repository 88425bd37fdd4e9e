import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { halvesOf, type TraceCommit, TraceTable } from '../../../../src/shard/reads/trace-table.ts';
import type { TracesOfCommit } from '../../../../src/shard/store/trace-order.ts';

/** As a shard among many has them: nearly all of the low 14 bits, which are the slot, are the same. */
const fewSlots = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 50n - 1n }), fc.bigInt({ min: 0n, max: 3n }))
  .map(([rest, slot]) => (rest << 14n) | slot);
const key = fc.oneof(fewSlots, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
const commit = fc.array(fc.tuple(key, fc.boolean()), { maxLength: 30 });

function traces(all: readonly (readonly [key: bigint, repeats: boolean])[]): TracesOfCommit {
  const keys = new Int32Array(BigUint64Array.from(all, ([each]) => each).buffer);
  return { count: all.length, keys, repeats: Uint8Array.from(all, ([, repeats]) => Number(repeats)) };
}

const FIRST = 2n ** 40n;

describe('a table of traces', () => {
  it('has the commits of each trace, whichever slots they have', () => {
    fc.assert(
      fc.property(fc.array(commit, { maxLength: 20 }), key, (commits, other) => {
        const table = new TraceTable(FIRST, commits.flat().length);
        const expected = new Map<bigint, TraceCommit[]>([[other, []]]);
        for (const [index, each] of commits.entries()) {
          expect(table.hasRoomFor(each.length)).toBe(true);
          table.addCommit(traces(each));
          const commitNo = FIRST + 1n + BigInt(index);
          for (const [one, repeats] of each)
            expected.set(one, [...(expected.get(one) ?? []), { commitNo, repeats }]);
        }
        expect(table).toMatchObject({ after: FIRST, upTo: FIRST + BigInt(commits.length) });
        for (const [one, found] of expected) expect(table.commitsOf(halvesOf(one))).toEqual(found);
      }),
    );
  });

  it('has room for the traces that it was made for, and for no more commits than it can number', () => {
    const table = new TraceTable(FIRST, 1000);
    for (let count = 0; table.hasRoomFor(1); count++) table.add(count, count << 20, 1, false);
    const held = [...Array(1000).keys()].flatMap(count =>
      table.commitsOf({ low: count, high: (count << 20) >>> 0 }),
    );
    expect(held).toHaveLength(1000);
    const empty = new TraceTable(0n, 1000);
    empty.extend(2n ** 31n - 2n);
    expect(empty.hasRoomFor(1)).toBe(true);
    empty.addCommit(traces([[7n, true]]));
    expect(empty.commitsOf(halvesOf(7n))).toEqual([{ commitNo: 2n ** 31n - 1n, repeats: true }]);
    expect(empty.hasRoomFor(1)).toBe(false);
  });

  it('takes 11 to 22 bytes for each', () => {
    for (const count of [90_000, 99_000, 50_000, 70_000]) {
      const bytesEach = new TraceTable(0n, count).sizeBytes / count;
      expect(bytesEach).toBeGreaterThanOrEqual(10.6);
      expect(bytesEach).toBeLessThan(21.4);
    }
  });
});
