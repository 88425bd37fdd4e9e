import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { LOG_ROWS } from '../rows/log-row.ts';
import { columnList, renderLines } from '../rows/row-kind.ts';
import { inSlice, readNewest, type TimeSlice } from './newest.ts';
import { type QueryRows, query, type ReadContext } from './read.ts';
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
  context: ReadContext,
  request: ParsedShardRead<'logs'>,
): Promise<Iterable<string>> {
  const { fromNs } = request;
  const toNs = request.startAt?.[0] ?? request.toNs;
  const limit = Math.min(request.limit, context.mostRows);
  const result = await readNewest(context, { table: 'logs', limit, fromNs, toNs }, (slice, left) =>
    readSlice(context, request, slice, left),
  );
  return renderLines(context.connection, LOG_ROWS, result);
}

function readSlice(
  { connection, asOf }: ReadContext,
  request: ParsedShardRead<'logs'>,
  slice: TimeSlice,
  limit: number,
): Promise<QueryRows> {
  const parameters = createParameters();
  const conditions = allOf([
    `commit_no <= ${asOf}`,
    inSlice('time_ns', slice),
    timeWindow('time_ns', request, parameters),
    when(request.service, service => `service = ${parameters.text(service)}`),
    when(request.severity, severity => `severity = ${parameters.text(severity)}`),
    when(request.bodyContains, part => `contains(body, ${parameters.text(part)})`),
    when(request.traceId, traceId => ofTrace(traceId, parameters)),
    when(request.startAt, key => keyFrom(key, parameters)),
  ]);
  return query(
    connection,
    `SELECT ${columnList(LOG_ROWS)} FROM store.logs WHERE ${conditions}
     ORDER BY time_ns DESC, observed_ns DESC, trace_id DESC, span_id DESC, tie DESC
     LIMIT ${limit}`,
    parameters,
  );
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
