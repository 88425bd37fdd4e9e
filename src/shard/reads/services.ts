import type { ParsedShardRead, ServiceState } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { countedSpans } from './counted.ts';
import { query } from './query.ts';
import type { ReadContext } from './read.ts';
import type { ServiceCounts } from './service-counts.ts';
import { createParameters, isOverEverything } from './where.ts';

/** Every service with spans. Durations are summed as integers, so no order of the additions can show. */
export async function readServices(
  context: ReadContext,
  request: ParsedShardRead<'services'>,
): Promise<Iterable<string>> {
  const states = isOverEverything(request)
    ? await storedStates(context, request.service)
    : await scannedStates(context, request);
  return states.map(state => rowLine([state.service], JSON.stringify(state)));
}

async function storedStates(context: ReadContext, service: string | undefined): Promise<ServiceState[]> {
  const totals = await context.serviceTotals.at(context);
  return [...totals]
    .flatMap(([name, counts]) => (name === null ? [] : [stateOf(name, counts)]))
    .filter(state => state.span_count > 0 && (service === undefined || state.service === service))
    .sort((a, b) => Buffer.compare(Buffer.from(a.service), Buffer.from(b.service)));
}

function stateOf(
  service: string,
  { spans, traces, errors, durationNs }: Omit<ServiceCounts, 'durationRangeNs'>,
): ServiceState {
  return {
    service,
    span_count: spans,
    trace_count: traces,
    error_count: errors,
    duration_sum_ns: String(durationNs),
  };
}

async function scannedStates(
  { connection, asOf, mostRows }: ReadContext,
  request: ParsedShardRead<'services'>,
): Promise<ServiceState[]> {
  const parameters = createParameters();
  const result = await query(
    connection,
    `SELECT service, count(*), count(DISTINCT trace_id), count(*) FILTER (status = 'error'),
       sum(duration_ns)
     FROM store.spans WHERE ${countedSpans(request, asOf, parameters)}
     GROUP BY service ORDER BY service LIMIT ${mostRows}`,
    parameters,
  );
  return Array.from(result.rows(), row => {
    const [service, spans, traces, errors, durationNs] = row as [string, bigint, bigint, bigint, bigint];
    const numbers = { spans: Number(spans), traces: Number(traces), errors: Number(errors) };
    return stateOf(service, { ...numbers, durationNs });
  });
}
