import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { BARE_METRIC_ROWS, METRIC_ROWS } from '../rows/metric-row.ts';
import { columnList, renderLines, textBytes } from '../rows/row-kind.ts';
import { hasAttributes } from './attributes.ts';
import { ALL_TIME, inSlice, newestSlices, readSlices, type TimeSlice } from './newest.ts';
import { type QueryRows, query } from './query.ts';
import type { ReadContext } from './read.ts';
import { allOf, createParameters, fromKey, hexLiteral, type Parameters, timeWindow, when } from './where.ts';

const NEWEST_FIRST = { direction: 'DESC', onward: '<=', beyond: '<' } as const;
const OLDEST_FIRST = { direction: 'ASC', onward: '>=', beyond: '>' } as const;

const ORDER = ['time_ns', 'name', 'service', 'tie', 'rowid'] as const;
const COLUMNS = [...METRIC_ROWS.columns, 'rowid', 'text_bytes'];
const ORDER_POSITIONS = ORDER.map(column => COLUMNS.indexOf(column));

export async function readMetrics(
  context: ReadContext,
  request: ParsedShardRead<'metrics'>,
): Promise<Iterable<string>> {
  const limit = Math.min(request.limit, context.mostRows);
  const { fromNs, toNs, startAt } = request;
  const slices = request.oldestFirst
    ? [ALL_TIME]
    : newestSlices(context, { table: 'metrics', limit, fromNs, toNs: startAt?.[0] ?? toNs });
  const sliced = { slices, limit, textBytes: COLUMNS.indexOf('text_bytes') };
  const result = await readSlices(context, sliced, (slice, rows, before) =>
    readPage(context, { request, slice, rows, before }),
  );
  return renderLines(context.connection, kindOf(request), result);
}

function kindOf({ bare }: ParsedShardRead<'metrics'>): typeof METRIC_ROWS {
  return bare ? BARE_METRIC_ROWS : METRIC_ROWS;
}

interface Page {
  readonly request: ParsedShardRead<'metrics'>;
  readonly slice: TimeSlice;
  readonly rows: number;
  readonly before: QueryRows | undefined;
}

function readPage(
  { connection, asOf }: ReadContext,
  { request, slice, rows, before }: Page,
): Promise<QueryRows> {
  const { direction, onward, beyond } = request.oldestFirst ? OLDEST_FIRST : NEWEST_FIRST;
  const kind = kindOf(request);
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
    when(before, page => behind(page, beyond, parameters)),
  ]);
  return query(
    connection,
    `SELECT ${columnList(kind)}, rowid, ${textBytes(kind)} FROM store.metrics WHERE ${conditions}
     ORDER BY ${ORDER.map(column => `${column} ${direction}`).join(', ')} LIMIT ${rows}`,
    parameters,
  );
}

/** Points behind the last one of a page. What is said of the time follows from the rest; see `fromKey`. */
function behind(page: QueryRows, beyond: '<' | '>', parameters: Parameters): string {
  let last: readonly unknown[] = [];
  for (const row of page.rows()) last = row;
  const [timeNs, name, service, tie, rowId] = ORDER_POSITIONS.map(position => String(last[position]));
  const values = [
    `${timeNs}::UBIGINT`,
    parameters.text(name as string),
    parameters.text(service as string),
    `${tie}::UBIGINT`,
    `${rowId}::BIGINT`,
  ];
  return `time_ns ${beyond}= ${values[0]} AND (${ORDER.join(', ')}) ${beyond} (${values.join(', ')})`;
}
