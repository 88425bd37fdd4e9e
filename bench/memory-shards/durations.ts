import { createChance } from '../shaped/chance.ts';

/** Spans of which only services and durations matter, the same on every run. */
export interface DurationPlan {
  /** All shards together have so many, about. */
  readonly spans: number;
  readonly shards: number;
  /** Every shard has some spans of every service, or each service is on one shard. */
  readonly placement: 'spread' | 'by-service';
}

/** Sorted nanoseconds by service. */
export type Durations = ReadonlyMap<string, Float64Array>;

const SERVICES = 50;
const SHORTEST_MEDIAN_NS = 1e6;
const LONGEST_MEDIAN_NS = 500e6;
const SIGMA = 1;

/** What one shard has. Where the spans are differs between the placements; which spans there are does not. */
export function durationsOn(shard: number, { spans, shards, placement }: DurationPlan): Durations {
  const held = new Map<string, Float64Array>();
  const all = Array.from({ length: SERVICES }, (_, rank) => rank);
  const harmonic = all.reduce((sum, rank) => sum + 1 / (rank + 1), 0);
  for (const rank of all) {
    const isHere = (index: number) => (placement === 'spread' ? index : rank) % shards === shard;
    const count = Math.round(spans / harmonic / (rank + 1));
    const here = serviceDurations(rank, count).filter((_, index) => isHere(index));
    if (here.length > 0) held.set(`service-${String(rank).padStart(2, '0')}`, here.sort());
  }
  return held;
}

/** Log-normal around a median of the service's own. */
function serviceDurations(rank: number, count: number): Float64Array {
  const chance = createChance(rank + 1);
  const medianNs = SHORTEST_MEDIAN_NS * (LONGEST_MEDIAN_NS / SHORTEST_MEDIAN_NS) ** chance.number();
  return Float64Array.from({ length: count }, () => Math.ceil(chance.logNormal(medianNs, SIGMA)));
}

export function sortedUnion(parts: Iterable<Float64Array>): Float64Array {
  const all = [...parts];
  const union = new Float64Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    union.set(part, at);
    at += part.length;
  }
  return union.sort();
}

/** The element at `round((count - 1) · p)`, in milliseconds. */
export function percentileMs(sorted: Float64Array, p: number): number {
  return (sorted[Math.round((sorted.length - 1) * p)] ?? 0) / 1e6;
}
