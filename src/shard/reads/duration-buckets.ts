import type { DurationBucket, ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { countedSpans } from './counted.ts';
import { spansInRanges } from './duration-ranges.ts';
import { linesOf, query } from './query.ts';
import type { ReadContext } from './read.ts';
import { createParameters, type Parameters, when } from './where.ts';

/** How many spans have durations of about the same size; see the contract for where buckets begin. */
export async function readDurationBuckets(
  { connection, asOf, mostRows }: ReadContext,
  request: ParsedShardRead<'durationBuckets'>,
): Promise<Iterable<string>> {
  const parameters = createParameters();
  const service = request.byService ? 'service' : 'NULL';
  const range = request.ranges === undefined ? 'NULL' : 'range';
  const result = await query(
    connection,
    `SELECT ${service} AS of_service, ${range} AS of_range, bucket, count(*), min(duration_ns), max(duration_ns)
     FROM (${bucketed(request, asOf, parameters)})
     GROUP BY ALL ORDER BY of_service, of_range, bucket LIMIT ${mostRows}`,
    parameters,
  );
  return linesOf(result, row => {
    const [name, index, number, count, minNs, maxNs] = row as Row;
    const state: DurationBucket = {
      ...(name !== null && { service: name }),
      ...(index !== null && { range: index }),
      count: Number(count),
      min_ns: String(minNs),
      max_ns: String(maxNs),
    };
    return rowLine(
      [name ?? '', nanosKey(BigInt(index ?? 0)), nanosKey(BigInt(number))],
      JSON.stringify(state),
    );
  });
}

type Row = [string | null, number | null, number | bigint, bigint, bigint, bigint];

/** SQL for the spans with the bucket that each is in. */
function bucketed(request: ParsedShardRead<'durationBuckets'>, asOf: bigint, parameters: Parameters): string {
  const { ranges, parts, scale } = request;
  const conditions = countedSpans(request, asOf, parameters, [
    when(request.services, services => `service IN ${parameters.texts(services)}`),
  ]);
  if (ranges !== undefined) {
    const spans = spansInRanges(ranges, { conditions, parts, parameters });
    return `SELECT service, duration_ns, range, part AS bucket FROM (${spans})`;
  }
  return `SELECT service, duration_ns, ${logBucket(scale)} AS bucket FROM store.spans WHERE ${conditions}`;
}

/** The number of the zero bucket; more buckets than there are below it: 63 powers of two of at most 2^8 buckets. */
const ZERO_BUCKET = 2 ** 15;

/** As a double before the sign is taken off: the smallest duration has no positive counterpart of 64 bits. */
function logBucket(scale: number): string {
  const magnitude = `floor(log2(abs(duration_ns::DOUBLE)) * ${2 ** scale})::INTEGER`;
  return `CASE WHEN duration_ns = 0 THEN ${ZERO_BUCKET}
    WHEN duration_ns > 0 THEN ${ZERO_BUCKET + 1} + ${magnitude} ELSE ${ZERO_BUCKET - 1} - ${magnitude} END`;
}
