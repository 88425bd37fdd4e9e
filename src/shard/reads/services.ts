import type { ServiceState } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { type QueryRows, query, type ReadContext, type ReadRows } from './read.ts';

/** Every service with spans, over all stored spans. Durations are summed as integers, so no order can matter. */
export async function readServices({ connection }: ReadContext): Promise<ReadRows> {
  const result = await query(
    connection,
    `SELECT service, count(*), count(DISTINCT trace_id), count(*) FILTER (status = 'error'), sum(duration_ns)
     FROM store.spans WHERE replaced_at IS NULL GROUP BY service ORDER BY service`,
  );
  return { count: result.count, lines: render(result), truncated: false };
}

function* render(result: QueryRows): Generator<string> {
  for (const row of result.rows()) {
    const [service, spans, traces, errors, durationSumNs] = row as [string, bigint, bigint, bigint, bigint];
    const state: ServiceState = {
      service,
      span_count: Number(spans),
      trace_count: Number(traces),
      error_count: Number(errors),
      duration_sum_ns: durationSumNs.toString(),
    };
    yield rowLine([service], JSON.stringify(state));
  }
}
