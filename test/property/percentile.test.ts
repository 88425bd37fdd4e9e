import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Durations,
  durationsOf,
  findPercentiles,
  narrowPercentile,
  type PercentileStep,
  pickPercentile,
  type SuspectRange,
} from '../../src/query/merge/percentile.ts';
import { durationSets, sortedIndex } from '../support/durations.ts';

const durations = (count: number, minNs: bigint, maxNs: bigint): Durations => ({ minNs, maxNs, count });
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
      fc.property(durationSets, shards, fc.infiniteStream(fc.nat()), (all, cuts, places) => {
        const held = spread(all, { over: cuts.length, places });
        for (const p of PS) expect(search(held, cuts, p)).toBe(sortedIndex(all, p));
      }),
    );
  });

  it('is nothing where there are no durations', () => {
    expect(findPercentiles([], [0.5])).toEqual([{ kind: 'empty' }]);
    expect(findPercentiles([durations(0, 0n, 0n)], [0.5])).toEqual([{ kind: 'empty' }]);
  });

  it('needs no further round for durations that are all equal', () => {
    const bucket = durationsOf({
      count: 1e9,
      min_ns: '-9223372036854775808',
      max_ns: '-9223372036854775808',
    });
    expect(findPercentiles([bucket, bucket], [0.99])).toEqual([{ kind: 'found', valueNs: -(2n ** 63n) }]);
  });

  it('cuts a large bucket and lists a small one', () => {
    const buckets = [durations(10, 1n, 2n), durations(2000, 4n, 7n)];
    expect(findPercentiles(buckets, [0, 0.5])).toEqual([
      { kind: 'list', range: { minNs: 1n, maxNs: 2n, count: 10, index: 0 } },
      { kind: 'narrow', range: { minNs: 4n, maxNs: 7n, count: 2000, index: 995 } },
    ]);
  });

  const range: SuspectRange = { minNs: 0n, maxNs: 10n, count: 3, index: 1 };
  it.each<[string, () => unknown]>([
    ['fewer durations', () => narrowPercentile(range, [durations(2, 0n, 10n)])],
    ['durations outside the range', () => narrowPercentile(range, [durations(3, -1n, 5n)])],
    ['fewer values', () => pickPercentile(range, [durations(2, 5n, 5n)])],
    ['values outside the range', () => pickPercentile(range, [durations(3, 11n, 11n)])],
    ['the range as a single part', () => narrowPercentile(range, [durations(3, 0n, 10n)])],
  ])('does not come from a round that counts %s than the one before', (_what, round) => {
    expect(round).toThrow(/range of 0 to 10 ns/);
  });
});

function spread(
  all: readonly bigint[],
  { over, places }: { over: number; places: Iterable<number> },
): bigint[][] {
  const held = Array.from({ length: over }, () => [] as bigint[]);
  const place = places[Symbol.iterator]();
  for (const duration of all) held[(place.next().value as number) % over]?.push(duration);
  return held;
}

function search(held: readonly bigint[][], cuts: readonly Cut[], p: number): bigint | undefined {
  const ask = <T>(shard: (all: readonly bigint[], cut: Cut) => T[]) =>
    held.flatMap((all, index) => shard(all, cuts[index] as Cut));
  const buckets = ask((all, { scale }) => bucketsBy(all, duration => logBucket(duration, scale)));
  let step = findPercentiles(buckets, [p], FEW)[0] as PercentileStep;
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
          ask(all => valuesIn(all, range)),
        );
      }
      case 'narrow': {
        const { range } = step;
        const parts = ask((all, cut) => partsOf(all, range, cut.parts));
        step = narrowPercentile(range, parts, FEW);
      }
    }
  }
  throw new Error('the search does not end');
}

function bucketsBy(all: readonly bigint[], bucketOf: (duration: bigint) => string): Durations[] {
  return [...Map.groupBy(all, bucketOf).values()].map(members => {
    const sorted = members.toSorted((a, b) => (a < b ? -1 : Number(a > b)));
    return durations(members.length, sorted[0] as bigint, sorted.at(-1) as bigint);
  });
}

function logBucket(duration: bigint, scale: number): string {
  const value = Number(duration);
  return value === 0 ? '0' : `${Math.sign(value)} ${Math.floor(Math.log2(Math.abs(value)) * 2 ** scale)}`;
}

function partsOf(all: readonly bigint[], { minNs, maxNs }: SuspectRange, parts: number): Durations[] {
  const width = (maxNs - minNs) / BigInt(parts) + 1n;
  const inside = all.filter(duration => duration >= minNs && duration <= maxNs);
  return bucketsBy(inside, duration => String((duration - minNs) / width));
}

function valuesIn(all: readonly bigint[], { minNs, maxNs }: SuspectRange): Durations[] {
  return all
    .filter(duration => duration >= minNs && duration <= maxNs)
    .map(duration => durations(1, duration, duration));
}
