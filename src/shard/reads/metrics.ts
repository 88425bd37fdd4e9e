import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { METRIC_ROWS } from '../rows/metric-row.ts';
import { columnList, renderLines } from '../rows/row-kind.ts';
import { query, type ReadContext, type ReadRows } from './read.ts';
import { allOf, createParameters, when } from './where.ts';

export async function readMetrics(
  { connection }: ReadContext,
  request: ParsedShardRead<'metrics'>,
): Promise<ReadRows> {
  const parameters = createParameters();
  const conditions = allOf([
    when(request.service, service => `service = ${parameters.text(service)}`),
    when(request.name, name => `name = ${parameters.text(name)}`),
    when(request.metricType, type => `metric_type = ${parameters.text(type)}`),
    when(request.fromNs, from => `time_ns >= ${parameters.unsigned(from)}`),
  ]);
  const result = await query(
    connection,
    `SELECT ${columnList(METRIC_ROWS)} FROM store.metrics WHERE ${conditions}
     ORDER BY time_ns DESC, name DESC, service DESC, tie DESC
     LIMIT ${parameters.unsigned(String(request.limit))}`,
    parameters,
  );
  return { count: result.count, lines: await renderLines(connection, METRIC_ROWS, result), truncated: false };
}
