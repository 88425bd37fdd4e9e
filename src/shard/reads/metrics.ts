import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { METRIC_ROWS } from '../rows/metric-row.ts';
import { columnList, renderLines } from '../rows/row-kind.ts';
import { hasAttributes } from './attributes.ts';
import { query, type ReadContext } from './read.ts';
import { allOf, createParameters, fromKey, hexLiteral, timeWindow, when } from './where.ts';

const NEWEST_FIRST = { direction: 'DESC', onward: '<=' } as const;
const OLDEST_FIRST = { direction: 'ASC', onward: '>=' } as const;

export async function readMetrics(
  { connection, asOf, mostRows }: ReadContext,
  request: ParsedShardRead<'metrics'>,
): Promise<Iterable<string>> {
  const { direction, onward } = request.oldestFirst ? OLDEST_FIRST : NEWEST_FIRST;
  const parameters = createParameters();
  const conditions = allOf([
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
  ]);
  const result = await query(
    connection,
    `SELECT ${columnList(METRIC_ROWS)} FROM store.metrics WHERE ${conditions}
     ORDER BY ${['time_ns', 'name', 'service', 'tie'].map(column => `${column} ${direction}`).join(', ')}
     LIMIT ${Math.min(request.limit, mostRows)}`,
    parameters,
  );
  return renderLines(connection, METRIC_ROWS, result);
}
