import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { LOG_ROWS } from '../rows/log-row.ts';
import { columnList, renderLines } from '../rows/row-kind.ts';
import { query, type ReadContext, type ReadRows } from './read.ts';
import { allOf, createParameters, type Parameters, traceIdOf, when } from './where.ts';

export async function readLogs(
  { connection }: ReadContext,
  request: ParsedShardRead<'logs'>,
): Promise<ReadRows> {
  const parameters = createParameters();
  const conditions = allOf([
    when(request.service, service => `service = ${parameters.text(service)}`),
    when(request.severity, severity => `severity = ${parameters.text(severity)}`),
    when(request.bodyContains, part => `contains(body, ${parameters.text(part)})`),
    when(request.traceId, traceId => ofTrace(traceId, parameters)),
    when(request.fromNs, from => `time_ns >= ${parameters.unsigned(from)}`),
  ]);
  const result = await query(
    connection,
    `SELECT ${columnList(LOG_ROWS)} FROM store.logs WHERE ${conditions}
     ORDER BY time_ns DESC, observed_ns DESC, trace_id DESC, span_id DESC, tie DESC
     LIMIT ${parameters.unsigned(String(request.limit))}`,
    parameters,
  );
  return { count: result.count, lines: await renderLines(connection, LOG_ROWS, result), truncated: false };
}

function ofTrace(digits: string, parameters: Parameters): string {
  const traceId = traceIdOf(digits);
  return traceId === undefined ? 'false' : `trace_id = ${parameters.traceId(traceId)}`;
}
