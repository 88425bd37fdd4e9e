import type { DurationBucket, ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { countedSpans } from './counted.ts';
import { countDurations, type DurationCount, type DurationCounts } from './duration-counts.ts';
import { spansInRanges } from './duration-ranges.ts';
import { linesOf, query } from './query.ts';
import type { ReadContext } from './read.ts';
import { createParameters, when } from './where.ts';

type Request = ParsedShardRead<'durationBuckets'>;

/** How many spans have durations of about the same size; see the contract for where buckets begin. */
export async function readDurationBuckets(context: ReadContext, request: Request): Promise<Iterable<string>> {
  const { ranges } = request;
  if (ranges !== undefined) return partLines(context, { ...request, ranges });
  return bucketLines(await countsOf(context, request), { ...request, mostRows: context.mostRows });
}

async function countsOf(context: ReadContext, request: Request): Promise<DurationCounts> {
  const { service, services, byService } = request;
  const question = { ...request, most: context.mostRows };
  if (service === undefined && services === undefined) return context.durations.count(context, question);
  if (service === undefined && byService) {
    const wanted = new Set(services);
    const all = await context.durations.count(context, request);
    return new Map([...all].filter(([name]) => wanted.has(name)));
  }
  const { counts } = await countDurations(context, question, [{ after: 0n, upTo: context.asOf }]);
  return counts;
}

function* bucketLines(
  counts: DurationCounts,
  { byService, mostRows }: Pick<Request, 'byService'> & Pick<ReadContext, 'mostRows'>,
): Generator<string> {
  const services = [...counts].sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  const rows = services.flatMap(([service, buckets]) =>
    Array.from(buckets, ([bucket, count]) => ({ service, bucket, count })).sort(
      (a, b) => a.bucket - b.bucket,
    ),
  );
  for (const { service, bucket, count } of rows.slice(0, mostRows))
    yield bucketLine({ service: byService ? service : null, range: null, bucket }, count);
}

/** Of the parts that ranges are cut into. */
async function partLines(
  { connection, asOf, mostRows }: ReadContext,
  request: Request & { readonly ranges: NonNullable<Request['ranges']> },
): Promise<Iterable<string>> {
  const { ranges, parts, byService } = request;
  const parameters = createParameters();
  const conditions = countedSpans(request, asOf, parameters, [
    when(request.services, services => `service IN ${parameters.texts(services)}`),
  ]);
  const result = await query(
    connection,
    `SELECT ${byService ? 'service' : 'NULL'} AS of_service, range, part, count(*), min(duration_ns), max(duration_ns)
     FROM (${spansInRanges(ranges, { conditions, parts, parameters })})
     GROUP BY ALL ORDER BY of_service, range, part LIMIT ${mostRows}`,
    parameters,
  );
  return linesOf(result, row => {
    const [service, range, bucket, count, minNs, maxNs] = row as PartRow;
    return bucketLine({ service, range, bucket }, { count: Number(count), minNs, maxNs });
  });
}

type PartRow = [
  service: string | null,
  range: number,
  part: number | bigint,
  count: bigint,
  minNs: bigint,
  maxNs: bigint,
];

interface BucketKey {
  readonly service: string | null;
  readonly range: number | null;
  readonly bucket: number | bigint;
}

function bucketLine({ service, range, bucket }: BucketKey, { count, minNs, maxNs }: DurationCount): string {
  const state: DurationBucket = {
    ...(service !== null && { service }),
    ...(range !== null && { range }),
    count,
    min_ns: String(minNs),
    max_ns: String(maxNs),
  };
  return rowLine(
    [service ?? '', nanosKey(BigInt(range ?? 0)), nanosKey(BigInt(bucket))],
    JSON.stringify(state),
  );
}
