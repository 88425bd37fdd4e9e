import type { DurationBucket, DurationValue } from '../../shared/read/contract.ts';

/**
 * Exact percentiles of durations that lie on many shards: the element at `round((count - 1) · p)` of all of them,
 * sorted. The search starts with bucket counts, is told which bucket the element must be in, and looks into that
 * bucket only: by cutting it into parts while it is large, by listing its values once it is small. It does no I/O;
 * whoever asks the shards feeds it their rows, of all shards and of one snapshot of each, and asks what it says.
 *
 * Where shards cut differently, overlapping buckets are taken for one, so the result depends on the values alone.
 */
export type PercentileStep =
  /** There are no durations. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'found'; readonly valueNs: bigint }
  /** Ask `durationBuckets` for this range and go on with {@link narrowPercentile}. */
  | { readonly kind: 'narrow'; readonly range: SuspectRange }
  /** Ask `durationValues` for this range and go on with {@link pickPercentile}. */
  | { readonly kind: 'list'; readonly range: SuspectRange };

/** A closed range of nanoseconds that holds the element. */
export interface SuspectRange {
  readonly minNs: bigint;
  readonly maxNs: bigint;
  /** How many durations are inside. */
  readonly count: number;
  /** Index of the element among them, sorted. */
  readonly index: number;
}

/** All that is told of the durations in a bucket, or of those of one value. */
export interface Durations {
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly count: number;
}

export function durationsOf(state: DurationBucket | DurationValue): Durations {
  const [least, greatest] =
    'value_ns' in state ? [state.value_ns, state.value_ns] : [state.min_ns, state.max_ns];
  const minNs = BigInt(least);
  return { minNs, maxNs: least === greatest ? minNs : BigInt(greatest), count: state.count };
}

/** Ranges with no more durations than this are listed, larger ones are cut. */
const MOST_LISTED = 1000;

/** Nearest index, half away from zero; `p` is from 0 to 1. */
function percentileIndex(count: number, p: number): number {
  return Math.round((count - 1) * p);
}

/** The first step to each of the percentiles, from the buckets of all durations. */
export function findPercentiles(
  buckets: readonly Durations[],
  ps: readonly number[],
  mostListed = MOST_LISTED,
): PercentileStep[] {
  const intervals = disjoint(buckets);
  const count = intervals.reduce((sum, interval) => sum + interval.count, 0);
  return ps.map(p =>
    count === 0 ? { kind: 'empty' } : stepTo(intervals, percentileIndex(count, p), mostListed),
  );
}

/** The step after the buckets of a range. Throws when they are not of the durations that were counted before. */
export function narrowPercentile(
  range: SuspectRange,
  buckets: readonly Durations[],
  mostListed = MOST_LISTED,
): PercentileStep {
  const intervals = disjoint(buckets);
  checkInside(range, intervals);
  const [only] = intervals;
  if (intervals.length === 1 && only !== undefined && isWhole(only, range))
    throw new Error(`the buckets of ${nameOf(range)} do not divide it`);
  return stepTo(intervals, range.index, mostListed);
}

/** The element, out of the values of its range. Throws when they are not the durations that were counted before. */
export function pickPercentile(range: SuspectRange, values: readonly Durations[]): bigint {
  const sorted = values.toSorted(byMin);
  checkInside(range, sorted);
  return at(sorted, range.index).interval.minNs;
}

/** The buckets in the order of their values, those that share values joined. */
function disjoint(buckets: readonly Durations[]): Durations[] {
  const intervals = buckets.filter(({ count }) => count > 0).sort(byMin);
  const joined: Durations[] = [];
  for (const interval of intervals) {
    const last = joined.at(-1);
    if (last === undefined || last.maxNs < interval.minNs) joined.push(interval);
    else joined[joined.length - 1] = union(last, interval);
  }
  return joined;
}

function union(a: Durations, b: Durations): Durations {
  const outer = a.maxNs > b.maxNs ? a : b;
  return { minNs: a.minNs, maxNs: outer.maxNs, count: a.count + b.count };
}

function byMin(a: Durations, b: Durations): number {
  if (a.minNs === b.minNs) return 0;
  return a.minNs < b.minNs ? -1 : 1;
}

function stepTo(intervals: readonly Durations[], index: number, mostListed: number): PercentileStep {
  const { interval, below } = at(intervals, index);
  if (interval.minNs === interval.maxNs) return { kind: 'found', valueNs: interval.minNs };
  const range = { ...interval, index: index - below };
  return { kind: interval.count > mostListed ? 'narrow' : 'list', range };
}

/** The interval that holds the element, and how many elements come before it. */
function at(intervals: readonly Durations[], index: number): { interval: Durations; below: number } {
  let below = 0;
  for (const interval of intervals) {
    if (index < below + interval.count) return { interval, below };
    below += interval.count;
  }
  throw new Error(`there is no element ${index} among ${below} durations`);
}

function checkInside(range: SuspectRange, intervals: readonly Durations[]): void {
  const count = intervals.reduce((sum, interval) => sum + interval.count, 0);
  const isInside = intervals.every(({ minNs, maxNs }) => minNs >= range.minNs && maxNs <= range.maxNs);
  if (count !== range.count || !isInside)
    throw new Error(`${nameOf(range)} held ${range.count} durations; now other ones are counted`);
}

function isWhole(interval: Durations, range: SuspectRange): boolean {
  return interval.minNs === range.minNs && interval.maxNs === range.maxNs && range.minNs < range.maxNs;
}

function nameOf({ minNs, maxNs }: SuspectRange): string {
  return `the range of ${minNs} to ${maxNs} ns`;
}
