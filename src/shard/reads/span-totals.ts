import type { ParsedShardRead, SpanTotals } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { countedSpans } from './counted.ts';
import { linesOf, query } from './query.ts';
import type { ReadContext } from './read.ts';
import { createParameters } from './where.ts';

/** One row of counts, and of durations as integers, so that no order of the additions can show. */
export async function readSpanTotals(
  { connection, asOf }: ReadContext,
  request: ParsedShardRead<'spanTotals'>,
): Promise<Iterable<string>> {
  const parameters = createParameters();
  const result = await query(
    connection,
    `SELECT count(*), count(DISTINCT trace_id), count(*) FILTER (status = 'error'),
       coalesce(sum(duration_ns), 0), min(duration_ns), max(duration_ns)
     FROM store.spans WHERE ${countedSpans(request, asOf, parameters)}`,
    parameters,
  );
  return linesOf(result, row => {
    const [spans, traces, errors, sumNs, minNs, maxNs] = row as [...bigint[], bigint | null, bigint | null];
    const totals: SpanTotals = {
      span_count: Number(spans),
      trace_count: Number(traces),
      error_count: Number(errors),
      duration_sum_ns: String(sumNs),
      ...(minNs !== null && { duration_min_ns: String(minNs), duration_max_ns: String(maxNs) }),
    };
    return rowLine([], JSON.stringify(totals));
  });
}
