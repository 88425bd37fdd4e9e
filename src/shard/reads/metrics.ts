import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { METRIC_ROWS } from '../rows/metric-row.ts';
import { columnList, renderLines } from '../rows/row-kind.ts';
import { hasAttributes } from './attributes.ts';
import { ALL_TIME, inSlice, readNewest, type TimeSlice, type Wanted } from './newest.ts';
import { type QueryRows, query, type ReadContext } from './read.ts';
import { allOf, createParameters, fromKey, hexLiteral, timeWindow, when } from './where.ts';

const NEWEST_FIRST = { direction: 'DESC', onward: '<=' } as const;
const OLDEST_FIRST = { direction: 'ASC', onward: '>=' } as const;

export async function readMetrics(
  context: ReadContext,
  request: ParsedShardRead<'metrics'>,
): Promise<Iterable<string>> {
  const limit = Math.min(request.limit, context.mostRows);
  const result = request.oldestFirst
    ? await readSlice(context, request, ALL_TIME, limit)
    : await readNewest(context, newestOf(request, limit), (slice, left) =>
        readSlice(context, request, slice, left),
      );
  return renderLines(context.connection, METRIC_ROWS, result);
}

function newestOf({ fromNs, toNs, startAt }: ParsedShardRead<'metrics'>, limit: number): Wanted {
  return { table: 'metrics', limit, fromNs, toNs: startAt?.[0] ?? toNs };
}

function readSlice(
  { connection, asOf }: ReadContext,
  request: ParsedShardRead<'metrics'>,
  slice: TimeSlice,
  limit: number,
): Promise<QueryRows> {
  const { direction, onward } = request.oldestFirst ? OLDEST_FIRST : NEWEST_FIRST;
  const parameters = createParameters();
  const conditions = allOf([
    `commit_no <= ${asOf}`,
    inSlice('time_ns', slice),
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
  ]);
  return query(
    connection,
    `SELECT ${columnList(METRIC_ROWS)} FROM store.metrics WHERE ${conditions}
     ORDER BY ${['time_ns', 'name', 'service', 'tie'].map(column => `${column} ${direction}`).join(', ')}
     LIMIT ${limit}`,
    parameters,
  );
}
