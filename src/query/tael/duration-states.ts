import type { DurationBucket, DurationValue, ShardReadRequest } from '../../shared/read/contract.ts';
import { nanosKey, signedKey } from '../../shared/read/ndjson.ts';
import type { SpanFacts } from './facts.ts';
import type { State } from './states.ts';

type BucketsRequest = Omit<ShardReadRequest<'durationBuckets'>, 'asOf' | 'fromNs' | 'toNs' | 'service'>;
type Ranges = ShardReadRequest<'durationValues'>['ranges'];

const DEFAULT_SCALE = 3;
const DEFAULT_PARTS = 256;

/** How many spans have durations of about the same size. */
export function durationBuckets(
  spans: readonly SpanFacts[],
  request: BucketsRequest,
): State<DurationBucket>[] {
  const { services, byService = false, scale = DEFAULT_SCALE, ranges, parts = DEFAULT_PARTS } = request;
  const asked = services === undefined ? undefined : new Set(services);
  const counted = asked === undefined ? spans : spans.filter(({ service }) => asked.has(service));
  const buckets = createBuckets(byService);
  if (ranges === undefined) {
    for (const { service, durationNs } of counted) {
      buckets.add({ service, durationNs, number: logBucket(durationNs, scale) });
    }
    return buckets.states();
  }
  for (const { index, minNs, maxNs, inside } of inRanges(counted, ranges)) {
    const widthNs = (maxNs - minNs) / BigInt(parts) + 1n;
    for (const { service, durationNs } of inside) {
      buckets.add({ service, durationNs, range: index, number: Number((durationNs - minNs) / widthNs) });
    }
  }
  return buckets.states();
}

/** Every distinct duration inside each range. */
export function durationValues(spans: readonly SpanFacts[], ranges: Ranges): State<DurationValue>[] {
  return inRanges(spans, ranges).flatMap(({ index, inside }) =>
    Array.from(
      Map.groupBy(inside, ({ durationNs }) => durationNs),
      ([valueNs, equal]) => ({
        key: [nanosKey(BigInt(index)), signedKey(valueNs)],
        state: { range: index, value_ns: String(valueNs), count: equal.length },
      }),
    ),
  );
}

/** Number of the zero bucket: more than there can be below it, 64 powers of two of at most 2^8 buckets. */
const ZERO_BUCKET = 2 ** 15;

function logBucket(durationNs: bigint, scale: number): number {
  if (durationNs === 0n) return ZERO_BUCKET;
  const magnitude = Math.floor(Math.log2(Math.abs(Number(durationNs))) * 2 ** scale);
  return durationNs > 0n ? ZERO_BUCKET + 1 + magnitude : ZERO_BUCKET - 1 - magnitude;
}

interface Counted {
  readonly service: string;
  readonly durationNs: bigint;
  readonly range?: number;
  /** Of the bucket. */
  readonly number: number;
}

interface Bucket extends Counted {
  count: number;
  minNs: bigint;
  maxNs: bigint;
}

function createBuckets(byService: boolean) {
  const buckets = new Map<string, Bucket>();
  return {
    add(span: Counted): void {
      const { service, durationNs, range, number } = span;
      const name = `${range ?? ''} ${number} ${byService ? service : ''}`;
      const bucket = buckets.get(name);
      if (bucket === undefined) {
        buckets.set(name, { ...span, count: 1, minNs: durationNs, maxNs: durationNs });
        return;
      }
      bucket.count++;
      if (durationNs < bucket.minNs) bucket.minNs = durationNs;
      if (durationNs > bucket.maxNs) bucket.maxNs = durationNs;
    },
    states: (): State<DurationBucket>[] =>
      Array.from(buckets.values(), ({ service, range, number, count, minNs, maxNs }) => ({
        key: [byService ? service : '', nanosKey(BigInt(range ?? 0)), nanosKey(BigInt(number))],
        state: {
          ...(byService && { service }),
          ...(range !== undefined && { range }),
          count,
          min_ns: String(minNs),
          max_ns: String(maxNs),
        },
      })),
  };
}

interface InRange {
  readonly index: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly inside: readonly SpanFacts[];
}

/** The spans in each of some closed ranges, once for every range that they are in. */
function inRanges(spans: readonly SpanFacts[], ranges: Ranges): InRange[] {
  const sorted = spans.toSorted((a, b) => compareBigints(a.durationNs, b.durationNs));
  const byService = Map.groupBy(sorted, ({ service }) => service);
  return ranges.map(({ service, ...range }, index) => {
    const minNs = BigInt(range.minNs);
    const maxNs = BigInt(range.maxNs);
    const all = service === undefined ? sorted : (byService.get(service) ?? []);
    return { index, minNs, maxNs, inside: all.slice(firstAbove(all, minNs - 1n), firstAbove(all, maxNs)) };
  });
}

/** Position of the first span that is longer. */
function firstAbove(sorted: readonly SpanFacts[], durationNs: bigint): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as SpanFacts).durationNs <= durationNs) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compareBigints(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}
