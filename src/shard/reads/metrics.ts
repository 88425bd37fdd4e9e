import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { BARE_METRIC_ROWS, METRIC_ROWS } from '../rows/metric-row.ts';
import { renderLines } from '../rows/row-kind.ts';
import { hasAttributes } from './attributes.ts';
import { newestSlices, slicedKeys } from './newest.ts';
import type { ReadContext } from './read.ts';
import { type KeySearch, keyPages, placesIn } from './row-keys.ts';
import type { RowOrder } from './row-order.ts';
import { fromKey, hexLiteral, timeWindow, when } from './where.ts';
import { firstRows } from './wide-rows.ts';

const NEWEST_FIRST: RowOrder = {
  table: 'metrics',
  columns: [
    ['time_ns', 'UBIGINT'],
    ['name', 'VARCHAR'],
    ['service', 'VARCHAR'],
    ['tie', 'UBIGINT'],
    ['row_id', 'BIGINT'],
  ],
  direction: 'DESC',
};
const OLDEST_FIRST: RowOrder = { ...NEWEST_FIRST, direction: 'ASC' };

export async function readMetrics(
  context: ReadContext,
  request: ParsedShardRead<'metrics'>,
): Promise<Iterable<string>> {
  const limit = Math.min(request.limit, context.mostRows);
  const { fromNs, toNs, startAt } = request;
  const search = searchFor(context, request, limit);
  const wanted = { table: 'metrics', limit, fromNs, toNs: startAt?.[0] ?? toNs } as const;
  const keys = request.oldestFirst
    ? keyPages(context, search)
    : slicedKeys(context, newestSlices(context, wanted), search);
  const kind = request.bare ? BARE_METRIC_ROWS : METRIC_ROWS;
  const rows = await firstRows(context, kind, { pages: placesIn(keys), limit });
  return renderLines(context, kind, rows);
}

function searchFor({ asOf }: ReadContext, request: ParsedShardRead<'metrics'>, rows: number): KeySearch {
  const [order, onward] = request.oldestFirst
    ? ([OLDEST_FIRST, '>='] as const)
    : ([NEWEST_FIRST, '<='] as const);
  return {
    order,
    rows,
    conditions: parameters => [
      `commit_no <= ${asOf}`,
      timeWindow('time_ns', request, parameters),
      when(request.service, service => `service = ${parameters.text(service)}`),
      when(request.services, services => `service IN ${parameters.texts(services)}`),
      when(request.name, name => `name = ${parameters.text(name)}`),
      when(request.metricType, type => `metric_type = ${parameters.text(type)}`),
      ...hasAttributes(request.attributes, parameters),
      when(request.startAt, ([timeNs, name, service, tie]) =>
        fromKey(['time_ns', 'name', 'service', 'tie'], onward, [
          parameters.unsigned(timeNs),
          parameters.text(name),
          parameters.text(service),
          hexLiteral(tie, 'UBIGINT'),
        ]),
      ),
    ],
  };
}
