import type { ParsedShardRead, SpanTotals } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { countedSpans } from './counted.ts';
import { query } from './query.ts';
import type { ReadContext } from './read.ts';
import { durationRange, NO_COUNTS, type ServiceCounts } from './service-counts.ts';
import { createParameters, isOverEverything } from './where.ts';

type Request = ParsedShardRead<'spanTotals'>;

/** One row of counts, and of durations as integers, so that no order of the additions can show. */
export async function readSpanTotals(context: ReadContext, request: Request): Promise<Iterable<string>> {
  const { spans, traces, errors, durationNs, durationRangeNs } = isOverEverything(request)
    ? await keptCounts(context, request)
    : await scannedCounts(context, request);
  const totals: SpanTotals = {
    span_count: spans,
    trace_count: traces,
    error_count: errors,
    duration_sum_ns: String(durationNs),
    ...(durationRangeNs !== undefined && {
      duration_min_ns: String(durationRangeNs[0]),
      duration_max_ns: String(durationRangeNs[1]),
    }),
  };
  return [rowLine([], JSON.stringify(totals))];
}

async function keptCounts(context: ReadContext, { service }: Request): Promise<ServiceCounts> {
  const totals = await context.serviceTotals.at(context);
  return totals.get(service ?? null) ?? NO_COUNTS;
}

async function scannedCounts({ connection, asOf }: ReadContext, request: Request): Promise<ServiceCounts> {
  const parameters = createParameters();
  const result = await query(
    connection,
    `SELECT count(*), count(DISTINCT trace_id), count(*) FILTER (status = 'error'),
       coalesce(sum(duration_ns), 0), min(duration_ns), max(duration_ns)
     FROM store.spans WHERE ${countedSpans(request, asOf, parameters)}`,
    parameters,
  );
  const [row] = [...result.rows()] as [TotalsRow];
  const [spans, traces, errors, durationNs, shortestNs, longestNs] = row;
  return {
    spans: Number(spans),
    traces: Number(traces),
    errors: Number(errors),
    durationNs,
    durationRangeNs: durationRange(shortestNs, longestNs),
  };
}

type TotalsRow = [
  spans: bigint,
  traces: bigint,
  errors: bigint,
  durationNs: bigint,
  shortestNs: bigint | null,
  longestNs: bigint | null,
];
