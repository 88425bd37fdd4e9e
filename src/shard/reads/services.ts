import type { ParsedShardRead, ServiceState } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { countedSpans, traceCount } from './counted.ts';
import { linesOf, query, type ReadContext } from './read.ts';
import { createParameters } from './where.ts';

/** Every service with spans. Durations are summed as integers, so no order of the additions can show. */
export async function readServices(
  { connection, asOf, mostRows }: ReadContext,
  request: ParsedShardRead<'services'>,
): Promise<Iterable<string>> {
  const parameters = createParameters();
  const result = await query(
    connection,
    `SELECT service, count(*), ${traceCount(request.slotsElsewhere)}, count(*) FILTER (status = 'error'),
       sum(duration_ns)
     FROM store.spans WHERE ${countedSpans(request, asOf, parameters)}
     GROUP BY service ORDER BY service LIMIT ${mostRows}`,
    parameters,
  );
  return linesOf(result, row => {
    const [service, spans, traces, errors, durationSumNs] = row as [string, bigint, bigint, bigint, bigint];
    const state: ServiceState = {
      service,
      span_count: Number(spans),
      trace_count: Number(traces),
      error_count: Number(errors),
      duration_sum_ns: String(durationSumNs),
    };
    return rowLine([service], JSON.stringify(state));
  });
}
