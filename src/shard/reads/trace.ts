import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { spanIdText } from '../rows/ids.ts';
import { columnList, sourcesOf, storedRow } from '../rows/row-kind.ts';
import { SPAN_ROWS } from '../rows/span-row.ts';
import { linesOf, pickRows, type QueryRows, query } from './query.ts';
import type { ReadContext } from './read.ts';
import { placeOf } from './row-keys.ts';
import { columnNames, type RowOrder } from './row-order.ts';
import { traceKeyOf } from './trace-key.ts';
import { traceIdOf } from './where.ts';
import { answerRows, isComplete, MOST_ROWS_AT_ONCE, smallColumns, textBytes } from './wide-rows.ts';

/** Every span of a trace, oldest first, each in its last commit; or the one that is named. */
export async function readTrace(
  context: ReadContext,
  request: ParsedShardRead<'trace'>,
): Promise<Iterable<string>> {
  const traceId = traceIdOf(request.traceId);
  if (traceId === undefined) return [];
  const commitNos = await commitsOf(context, traceId);
  if (commitNos.length === 0) return [];
  // Numbers as literals: DuckDB plans them faster than parameters, and skips what other commits stored.
  const ofTrace = `commit_no IN (${commitNos.join(', ')}) AND trace_id = ${traceId}::UHUGEINT`;
  const only = request.spanId === undefined ? '' : ` AND span_id = ${BigInt(`0x${request.spanId}`)}::UBIGINT`;
  const spans = `store.spans WHERE ${ofTrace}${only}`;
  const rows = (await fewSpans(context, spans)) ?? (await manySpans(context, spans));
  const sources = await sourcesOf(context, SPAN_ROWS, rows);
  return linesOf(rows, row => {
    const span = storedRow(SPAN_ROWS, row, sources);
    return rowLine([nanosKey(span.startNs), spanIdText(span.spanId)], SPAN_ROWS.json(span));
  });
}

const SPAN_ID = SPAN_ROWS.columns.indexOf('span_id');
const START_NS = SPAN_ROWS.columns.indexOf('start_ns');
const ROW_ID = SPAN_ROWS.columns.length + 1;

/**
 * Of a trace like most, in one query; `undefined` when its spans are too many or too large for that. So few are sorted
 * here: to plan it takes DuckDB longer than all else of the query but the reading.
 */
async function fewSpans({ connection }: ReadContext, spans: string): Promise<QueryRows | undefined> {
  const columns = `${columnList(SPAN_ROWS)}, ${textBytes(SPAN_ROWS)} AS text_bytes, rowid AS row_id`;
  const rows = await query(
    connection,
    `SELECT ${smallColumns(SPAN_ROWS)}, text_bytes, row_id FROM (SELECT ${columns} FROM ${spans})
     LIMIT ${MOST_ROWS_AT_ONCE + 1}`,
  );
  if (rows.count > MOST_ROWS_AT_ONCE || !isComplete(rows, SPAN_ROWS)) return undefined;
  return pickRows(rows, oldestFirst(rows, lastOfEach(rows)));
}

/** Where the last one of each span is. Row ids are in the order of commits. */
function lastOfEach(rows: QueryRows): ReadonlyMap<bigint, number> {
  const spanIds = [...rows.column(SPAN_ID)] as bigint[];
  const rowIds = [...rows.column(ROW_ID)] as bigint[];
  const last = new Map<bigint, number>();
  for (const [position, spanId] of spanIds.entries()) {
    const other = last.get(spanId);
    const isLater = other === undefined || (rowIds[position] as bigint) > (rowIds[other] as bigint);
    if (isLater) last.set(spanId, position);
  }
  return last;
}

/** @param positions by span id */
function oldestFirst(rows: QueryRows, positions: ReadonlyMap<bigint, number>): readonly number[] {
  const startsNs = [...rows.column(START_NS)] as bigint[];
  const places = Array.from(positions, ([spanId, position]) => ({
    startNs: startsNs[position] as bigint,
    spanId,
    position,
  }));
  return places.sort((one, other) => (isBefore(one, other) ? -1 : 1)).map(({ position }) => position);
}

interface SpanPlace {
  readonly startNs: bigint;
  /** No two have the same. */
  readonly spanId: bigint;
}

function isBefore(one: SpanPlace, other: SpanPlace): boolean {
  if (one.startNs !== other.startNs) return one.startNs < other.startNs;
  return one.spanId < other.spanId;
}

const KEYS: RowOrder = {
  table: 'spans',
  columns: [
    ['start_ns', 'UBIGINT'],
    ['span_id', 'UBIGINT'],
    ['commit_no', 'UBIGINT'],
    ['row_id', 'BIGINT'],
  ],
  direction: 'ASC',
};

/** By their keys first, as {@link readKeys} does. */
async function manySpans(context: ReadContext, spans: string): Promise<QueryRows> {
  const found = await query(
    context.connection,
    `SELECT ${columnNames(KEYS).join(', ')} FROM (SELECT *, rowid AS row_id FROM ${spans})
     QUALIFY row_number() OVER (PARTITION BY span_id ORDER BY row_id DESC) = 1
     ORDER BY start_ns, span_id LIMIT ${context.mostRows}`,
  );
  const keys = [...found.rows()];
  context.landmarks.add(KEYS, keys);
  return answerRows(context, SPAN_ROWS, keys.map(placeOf));
}

/** The commits that stored spans of a trace, and perhaps some of another trace with the same hash. */
async function commitsOf(context: ReadContext, traceId: bigint): Promise<readonly bigint[]> {
  const key = traceKeyOf(context.hash, traceId);
  const commits = await context.traceIndex.commitsOf(context, { keys: [key] });
  return commits.get(key)?.map(({ commitNo }) => commitNo) ?? [];
}
