import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { LOG_ROWS } from '../rows/log-row.ts';
import { columnList, renderLines } from '../rows/row-kind.ts';
import { query, type ReadContext } from './read.ts';
import {
  allOf,
  createParameters,
  fromKey,
  hexLiteral,
  type Parameters,
  timeWindow,
  traceIdOf,
  when,
} from './where.ts';

export async function readLogs(
  { connection, asOf, mostRows }: ReadContext,
  request: ParsedShardRead<'logs'>,
): Promise<Iterable<string>> {
  const parameters = createParameters();
  const conditions = allOf([
    `commit_no <= ${asOf}`,
    timeWindow('time_ns', request, parameters),
    when(request.service, service => `service = ${parameters.text(service)}`),
    when(request.severity, severity => `severity = ${parameters.text(severity)}`),
    when(request.bodyContains, part => `contains(body, ${parameters.text(part)})`),
    when(request.traceId, traceId => ofTrace(traceId, parameters)),
    when(request.startAt, key => keyFrom(key, parameters)),
  ]);
  const result = await query(
    connection,
    `SELECT ${columnList(LOG_ROWS)} FROM store.logs WHERE ${conditions}
     ORDER BY time_ns DESC, observed_ns DESC, trace_id DESC, span_id DESC, tie DESC
     LIMIT ${Math.min(request.limit, mostRows)}`,
    parameters,
  );
  return renderLines(connection, LOG_ROWS, result);
}

function ofTrace(digits: string, parameters: Parameters): string {
  const traceId = traceIdOf(digits);
  return traceId === undefined ? 'false' : `trace_id = ${parameters.traceId(traceId)}`;
}

function keyFrom(
  [timeNs, observedNs, traceId, spanId, tie]: NonNullable<ParsedShardRead<'logs'>['startAt']>,
  parameters: Parameters,
): string {
  return fromKey(['time_ns', 'observed_ns', 'trace_id', 'span_id', 'tie'], '<=', [
    parameters.unsigned(timeNs),
    parameters.unsigned(observedNs),
    hexLiteral(traceId, 'UHUGEINT'),
    hexLiteral(spanId, 'UBIGINT'),
    hexLiteral(tie, 'UBIGINT'),
  ]);
}
