import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findPercentile,
  narrowPercentile,
  type PercentileStep,
  pickPercentile,
  type SuspectRange,
} from '../../src/query/merge/percentile.ts';
import type { DurationBucket, DurationValue } from '../../src/shared/read/contract.ts';
import { durationSets, sortedIndex } from '../support/durations.ts';

const PS = [0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1];
const FEW = 3;

/** A shard that cuts as it likes: buckets need not be the same everywhere. */
interface Cut {
  readonly scale: number;
  readonly parts: number;
}

const shards = fc.array(fc.record({ scale: fc.nat(6), parts: fc.integer({ min: 2, max: 9 }) }), {
  minLength: 1,
  maxLength: 4,
});

describe('a percentile over shards', () => {
  it('is the element at the nearest index of all sorted durations', () => {
    fc.assert(
      fc.property(durationSets, shards, fc.infiniteStream(fc.nat()), (durations, cuts, places) => {
        const held = spread(durations, { over: cuts.length, places });
        for (const p of PS) expect(search(held, cuts, p)).toBe(sortedIndex(durations, p));
      }),
    );
  });

  it('is nothing where there are no durations', () => {
    expect(findPercentile([], 0.5)).toEqual({ kind: 'empty' });
    expect(findPercentile([{ count: 0, min_ns: '0', max_ns: '0' }], 0.5)).toEqual({ kind: 'empty' });
  });

  it('needs no further round for durations that are all equal', () => {
    const bucket = { count: 1e9, min_ns: '-9223372036854775808', max_ns: '-9223372036854775808' };
    expect(findPercentile([bucket, bucket], 0.99)).toEqual({ kind: 'found', valueNs: -(2n ** 63n) });
  });

  it('cuts a large bucket and lists a small one', () => {
    const buckets = [
      { count: 10, min_ns: '1', max_ns: '2' },
      { count: 2000, min_ns: '4', max_ns: '7' },
    ];
    expect(findPercentile(buckets, 0)).toMatchObject({ kind: 'list', range: { minNs: 1n, maxNs: 2n } });
    expect(findPercentile(buckets, 0.5)).toEqual({
      kind: 'narrow',
      range: { minNs: 4n, maxNs: 7n, count: 2000, index: 995 },
    });
  });

  const range: SuspectRange = { minNs: 0n, maxNs: 10n, count: 3, index: 1 };
  it.each<[string, () => unknown]>([
    ['fewer durations', () => narrowPercentile(range, [{ count: 2, min_ns: '0', max_ns: '10' }])],
    ['durations outside the range', () => narrowPercentile(range, [{ count: 3, min_ns: '-1', max_ns: '5' }])],
    ['fewer values', () => pickPercentile(range, [{ range: 0, value_ns: '5', count: 2 }])],
    ['values outside the range', () => pickPercentile(range, [{ range: 0, value_ns: '11', count: 3 }])],
    ['the range as a single part', () => narrowPercentile(range, [{ count: 3, min_ns: '0', max_ns: '10' }])],
  ])('does not come from a round that counts %s than the one before', (_what, round) => {
    expect(round).toThrow(/range of 0 to 10 ns/);
  });
});

function spread(
  durations: readonly bigint[],
  { over, places }: { over: number; places: Iterable<number> },
): bigint[][] {
  const held = Array.from({ length: over }, () => [] as bigint[]);
  const place = places[Symbol.iterator]();
  for (const duration of durations) held[(place.next().value as number) % over]?.push(duration);
  return held;
}

function search(held: readonly bigint[][], cuts: readonly Cut[], p: number): bigint | undefined {
  const ask = <T>(shard: (durations: readonly bigint[], cut: Cut) => T[]) =>
    held.flatMap((durations, index) => shard(durations, cuts[index] as Cut));
  let step: PercentileStep = findPercentile(
    ask((durations, { scale }) => bucketsBy(durations, duration => logBucket(duration, scale))),
    p,
    FEW,
  );
  for (let round = 0; round < 80; round++) {
    switch (step.kind) {
      case 'empty':
        return undefined;
      case 'found':
        return step.valueNs;
      case 'list': {
        const { range } = step;
        return pickPercentile(
          range,
          ask(durations => valuesIn(durations, range)),
        );
      }
      case 'narrow': {
        const { range } = step;
        const parts = ask((durations, cut) => partsOf(durations, range, cut.parts));
        step = narrowPercentile(range, parts, FEW);
      }
    }
  }
  throw new Error('the search does not end');
}

function bucketsBy(durations: readonly bigint[], bucketOf: (duration: bigint) => string): DurationBucket[] {
  return [...Map.groupBy(durations, bucketOf).values()].map(members => {
    const sorted = members.toSorted((a, b) => (a < b ? -1 : Number(a > b)));
    return { count: members.length, min_ns: String(sorted[0]), max_ns: String(sorted.at(-1)) };
  });
}

function logBucket(duration: bigint, scale: number): string {
  const value = Number(duration);
  return value === 0 ? '0' : `${Math.sign(value)} ${Math.floor(Math.log2(Math.abs(value)) * 2 ** scale)}`;
}

function partsOf(
  durations: readonly bigint[],
  { minNs, maxNs }: SuspectRange,
  parts: number,
): DurationBucket[] {
  const width = (maxNs - minNs) / BigInt(parts) + 1n;
  const inside = durations.filter(duration => duration >= minNs && duration <= maxNs);
  return bucketsBy(inside, duration => String((duration - minNs) / width));
}

function valuesIn(durations: readonly bigint[], { minNs, maxNs }: SuspectRange): DurationValue[] {
  return durations
    .filter(duration => duration >= minNs && duration <= maxNs)
    .map(duration => ({ range: 0, value_ns: String(duration), count: 1 }));
}
