import type { DuckDBConnection } from '@duckdb/node-api';
import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { metricRowJson } from '../rows.ts';
import { columnList, recordOf } from '../store/tables.ts';
import { type QueryRows, query, type ReadRows } from './read.ts';
import { allOf, createParameters, when } from './where.ts';

export async function readMetrics(
  connection: DuckDBConnection,
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
    `SELECT ${columnList('metrics')} FROM metrics WHERE ${conditions}
     ORDER BY time_ns DESC, name DESC, service DESC, tie DESC
     LIMIT ${parameters.unsigned(String(request.limit))}`,
    parameters,
  );
  return { count: result.count, lines: render(result), truncated: false };
}

function* render(result: QueryRows): Generator<string> {
  for (const row of result.rows()) {
    const metric = recordOf('metrics', row);
    const key = [nanosKey(metric.time_ns), metric.name, metric.service, metric.tie];
    yield rowLine(key, metricRowJson(metric));
  }
}
