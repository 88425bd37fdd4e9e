import { greater, lesser } from './bigints.ts';
import { countedSpans } from './counted.ts';
import { query } from './query.ts';
import { type AtCommit, type CommitRange, within } from './service-counts.ts';
import { createParameters, type TimeWindow, when } from './where.ts';

export interface DurationGrouping {
  /** Between a duration and twice as much are two to the power of it buckets. */
  readonly scale: number;
  readonly byService: boolean;
}

export interface DurationQuestion extends DurationGrouping, TimeWindow {
  readonly service?: string | undefined;
  readonly services?: readonly string[] | undefined;
  /** Buckets, in the order of services and then of durations; all when left out. */
  readonly most?: number | undefined;
}

export interface DurationCount {
  readonly count: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
}

/** By service, which is empty when it was not asked for, and number of the bucket. */
export type DurationCounts = ReadonlyMap<string, ReadonlyMap<number, DurationCount>>;

export interface CountedDurations {
  readonly counts: DurationCounts;
  /** When the first of the spans began; `undefined` when there are none. */
  readonly earliestNs: bigint | undefined;
}

/** Goes through the spans of some ranges of commits. */
export async function countDurations(
  { connection, asOf }: AtCommit,
  question: DurationQuestion,
  ranges: readonly CommitRange[],
): Promise<CountedDurations> {
  const counts = new Map<string, Map<number, DurationCount>>();
  let earliestNs: bigint | undefined;
  if (ranges.length === 0) return { counts, earliestNs };
  const parameters = createParameters();
  const spans = countedSpans(question, asOf, parameters, [
    when(question.services, services => `service IN ${parameters.texts(services)}`),
  ]);
  // One after the other DuckDB skips what other commits stored; for ranges joined by OR it goes through everything.
  const each = ranges.map(
    range =>
      `SELECT ${question.byService ? 'service' : "''"} AS of_service, ${logBucket(question.scale)} AS bucket,
         duration_ns, start_ns
       FROM store.spans WHERE ${within(range)} AND ${spans}`,
  );
  const result = await query(
    connection,
    `SELECT of_service, bucket, count(*), min(duration_ns), max(duration_ns), min(start_ns)
     FROM (${each.join(' UNION ALL ')}) GROUP BY ALL ${when(question.most, most => `ORDER BY of_service, bucket LIMIT ${most}`) ?? ''}`,
    parameters,
  );
  for (const row of result.rows() as Iterable<Row>) {
    const [service, bucket, count, minNs, maxNs, startNs] = row;
    add(counts, service, bucket, { count: Number(count), minNs, maxNs });
    earliestNs = lesser(earliestNs ?? startNs, startNs);
  }
  return { counts, earliestNs };
}

type Row = [service: string, bucket: number, count: bigint, minNs: bigint, maxNs: bigint, startNs: bigint];

/** How many buckets there are. */
export function sizeOf(counts: DurationCounts): number {
  let size = 0;
  for (const buckets of counts.values()) size += buckets.size;
  return size;
}

export function sumOf(parts: readonly DurationCounts[]): DurationCounts {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const sum = new Map<string, Map<number, DurationCount>>();
  for (const part of parts)
    for (const [service, buckets] of part)
      for (const [bucket, count] of buckets) add(sum, service, bucket, count);
  return sum;
}

function add(
  counts: Map<string, Map<number, DurationCount>>,
  service: string,
  bucket: number,
  more: DurationCount,
): void {
  const buckets = counts.get(service) ?? new Map<number, DurationCount>();
  if (buckets.size === 0) counts.set(service, buckets);
  const before = buckets.get(bucket);
  buckets.set(bucket, before === undefined ? more : joined(before, more));
}

function joined(one: DurationCount, other: DurationCount): DurationCount {
  return {
    count: one.count + other.count,
    minNs: lesser(one.minNs, other.minNs),
    maxNs: greater(one.maxNs, other.maxNs),
  };
}

/** The number of the zero bucket; more buckets than there are below it: 63 powers of two of at most 2^8 buckets. */
const ZERO_BUCKET = 2 ** 15;

/** As a double before the sign is taken off: the smallest duration has no positive counterpart of 64 bits. */
function logBucket(scale: number): string {
  const magnitude = `floor(log2(abs(duration_ns::DOUBLE)) * ${2 ** scale})::INTEGER`;
  return `CASE WHEN duration_ns = 0 THEN ${ZERO_BUCKET}
    WHEN duration_ns > 0 THEN ${ZERO_BUCKET + 1} + ${magnitude} ELSE ${ZERO_BUCKET - 1} - ${magnitude} END`;
}
