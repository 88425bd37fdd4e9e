import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { LOG_ROWS } from '../rows/log-row.ts';
import { renderLines } from '../rows/row-kind.ts';
import { bodySearch } from '../search/body-filter.ts';
import { readLogPage } from '../search/log-candidates.ts';
import { searchLogs } from '../search/search-logs.ts';
import type { ReadContext, ReadRows } from './read.ts';
import { type Parameters, traceIdOf, when } from './where.ts';

export async function readLogs(context: ReadContext, request: ParsedShardRead<'logs'>): Promise<ReadRows> {
  const { bodyContains, text, fromNs, limit } = request;
  const conditions = (parameters: Parameters) => filters(request, parameters);
  const rows =
    bodyContains === undefined && text === undefined
      ? await readLogPage(context.connection, {
          commits: undefined,
          conditions,
          after: undefined,
          rows: limit,
        })
      : await searchLogs(context, { body: bodySearch(bodyContains, text), conditions, fromNs, limit });
  return {
    count: rows.count,
    lines: await renderLines(context.connection, LOG_ROWS, rows),
    truncated: false,
  };
}

function filters(request: ParsedShardRead<'logs'>, parameters: Parameters): readonly (string | undefined)[] {
  return [
    when(request.service, service => `service = ${parameters.text(service)}`),
    when(request.severity, severity => `severity = ${parameters.text(severity)}`),
    when(request.traceId, traceId => ofTrace(traceId, parameters)),
    when(request.fromNs, from => `time_ns >= ${parameters.unsigned(from)}`),
  ];
}

function ofTrace(digits: string, parameters: Parameters): string {
  const traceId = traceIdOf(digits);
  return traceId === undefined ? 'false' : `trace_id = ${parameters.traceId(traceId)}`;
}
