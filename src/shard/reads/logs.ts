import type { DuckDBConnection } from '@duckdb/node-api';
import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { logRowJson } from '../rows.ts';
import { columnList, recordOf } from '../store/tables.ts';
import { type QueryRows, query, type ReadRows } from './read.ts';
import { allOf, createParameters, when } from './where.ts';

export async function readLogs(
  connection: DuckDBConnection,
  request: ParsedShardRead<'logs'>,
): Promise<ReadRows> {
  const parameters = createParameters();
  const conditions = allOf([
    when(request.service, service => `service = ${parameters.text(service)}`),
    when(request.severity, severity => `severity = ${parameters.text(severity)}`),
    when(request.bodyContains, part => `contains(body, ${parameters.text(part)})`),
    when(request.traceId, traceId => `trace_id = ${parameters.text(traceId)}`),
    when(request.fromNs, from => `time_ns >= ${parameters.unsigned(from)}`),
  ]);
  const result = await query(
    connection,
    `SELECT ${columnList('logs')} FROM logs WHERE ${conditions}
     ORDER BY time_ns DESC, observed_ns DESC, trace_id DESC, span_id DESC, tie DESC
     LIMIT ${parameters.unsigned(String(request.limit))}`,
    parameters,
  );
  return { count: result.count, lines: render(result), truncated: false };
}

function* render(result: QueryRows): Generator<string> {
  for (const row of result.rows()) {
    const log = recordOf('logs', row);
    const key = [nanosKey(log.time_ns), nanosKey(log.observed_ns), log.trace_id, log.span_id, log.tie];
    yield rowLine(key, logRowJson(log));
  }
}
