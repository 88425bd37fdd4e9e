import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { LOG_ROWS } from '../rows/log-row.ts';
import { renderLines } from '../rows/row-kind.ts';
import { bodySearch } from '../search/body-filter.ts';
import { NEWEST_LOGS_FIRST } from '../search/log-order.ts';
import { searchLogs } from '../search/search-logs.ts';
import { newestSlices, slicedKeys, type Wanted } from './newest.ts';
import type { ReadContext } from './read.ts';
import { type Conditions, placesIn } from './row-keys.ts';
import { fromKey, hexLiteral, type Parameters, timeWindow, traceIdOf, when } from './where.ts';
import { firstRows } from './wide-rows.ts';

export async function readLogs(
  context: ReadContext,
  request: ParsedShardRead<'logs'>,
): Promise<Iterable<string>> {
  const { bodyContains, text, fromNs } = request;
  const limit = Math.min(request.limit, context.mostRows);
  const wanted: Wanted = { table: 'logs', limit, fromNs, toNs: request.startAt?.[0] ?? request.toNs };
  const conditions: Conditions = parameters => filters(context, request, parameters);
  const pages =
    bodyContains === undefined && text === undefined
      ? newest(context, wanted, conditions)
      : searchLogs(context, { wanted, conditions, body: bodySearch(bodyContains, text) });
  const rows = await firstRows(context, LOG_ROWS, { pages, limit });
  return renderLines(context, LOG_ROWS, rows);
}

function newest(context: ReadContext, wanted: Wanted, conditions: Conditions) {
  const search = { order: NEWEST_LOGS_FIRST, conditions, rows: wanted.limit };
  return placesIn(slicedKeys(context, newestSlices(context, wanted), search));
}

function filters(
  { asOf }: ReadContext,
  request: ParsedShardRead<'logs'>,
  parameters: Parameters,
): readonly (string | undefined)[] {
  return [
    `commit_no <= ${asOf}`,
    timeWindow('time_ns', request, parameters),
    when(request.service, service => `service = ${parameters.text(service)}`),
    when(request.severity, severity => `severity = ${parameters.text(severity)}`),
    when(request.traceId, traceId => ofTrace(traceId, parameters)),
    when(request.startAt, key => keyFrom(key, parameters)),
  ];
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
