import { BIGINT, type DuckDBConnection, LIST, listValue } from '@duckdb/node-api';
import { RowsMovedError } from './landmarks.ts';
import { columnSum, joinRows, type QueryRows, query } from './query.ts';
import type { ReadContext } from './read.ts';

/** What to read of rows. */
export interface Selection {
  readonly table: 'spans' | 'logs' | 'metrics' | 'comments';
  readonly columns: readonly string[];
  /** Those of them that can be long. */
  readonly texts: readonly string[];
  /** What rows are ordered by first, in about the order that they lie in. */
  readonly time: string;
}

/** Where a row is. */
export interface RowPlace {
  readonly rowId: bigint;
  /** In the column `time` of the {@link Selection}. */
  readonly timeNs: bigint;
}

/** Rows that are read at once. */
export const MOST_ROWS_AT_ONCE = 1000;
/** Most bytes of a row's texts for it to be read among so many. */
const SMALL_BYTES = 8 * 1024;
/** What texts may take at once, unless those of one row alone are larger. */
const MOST_BYTES_AT_ONCE = MOST_ROWS_AT_ONCE * SMALL_BYTES;
/** What a row takes besides its texts. */
const ROW_BYTES = 200;

/**
 * Rows by where they are, in that order, which is one of their times; after the selected columns comes the size of the
 * texts. In pieces: DuckDB does not count the result of a query against its memory limit, so no result may be large
 * because rows are many or long.
 * @throws RowsMovedError when some are not there; that those which are there are the right ones, {@link Landmarks} tell
 */
export async function* wideRows(
  connection: DuckDBConnection,
  selection: Selection,
  places: readonly RowPlace[],
): AsyncGenerator<QueryRows> {
  for (let at = 0; at < places.length; at += MOST_ROWS_AT_ONCE) {
    const some = places.slice(at, at + MOST_ROWS_AT_ONCE);
    const rows = await readRows(connection, selection, { places: some, columns: smallColumns(selection) });
    if (isComplete(rows, selection)) {
      yield rows;
      continue;
    }
    const columns = selection.columns.join(', ');
    for (const group of groupsOf(some, textSizes(rows, selection))) {
      yield await readRows(connection, selection, { places: group, columns });
    }
  }
}

/** The rows of an answer that it has room for. */
export async function answerRows(
  { connection, room }: ReadContext,
  selection: Selection,
  places: readonly RowPlace[],
): Promise<QueryRows> {
  const found: QueryRows[] = [];
  const pieces = wideRows(connection, selection, places);
  for (let left = places.length; left > 0 && !room.isUsedUp(); ) {
    const rows = (await pieces.next()).value as QueryRows;
    found.push(rows);
    left -= rows.count;
    room.use(columnSum(rows, selection.columns.length) + rows.count * ROW_BYTES);
  }
  return joinRows(found);
}

/** The same of pages of rows, of which so many are wanted. No page is asked for that does not count. */
export async function firstRows(
  context: ReadContext,
  selection: Selection,
  { pages, limit }: { readonly pages: AsyncIterable<readonly RowPlace[]>; readonly limit: number },
): Promise<QueryRows> {
  const found: QueryRows[] = [];
  let unread: readonly RowPlace[] = [];
  let left = limit;
  for await (const places of pages) {
    unread = [...unread, ...places.slice(0, left)];
    left = Math.max(0, left - places.length);
    if (left === 0) break;
    // What pages that found little have is read at once.
    if (unread.length < MOST_ROWS_AT_ONCE) continue;
    found.push(await answerRows(context, selection, unread));
    unread = [];
    if (context.room.isCut()) break;
  }
  found.push(await answerRows(context, selection, unread));
  return joinRows(found);
}

/** SQL for the bytes of a row's texts, which are what makes rows large. */
export function textBytes({ texts }: Pick<Selection, 'texts'>): string {
  return texts.map(column => `coalesce(strlen(${column}), 0)`).join(' + ');
}

/** SQL for the columns, where {@link textBytes} is `text_bytes`, with texts of small rows only. */
export function smallColumns({ columns, texts }: Selection): string {
  return columns
    .map(column =>
      texts.includes(column)
        ? `CASE WHEN text_bytes <= ${SMALL_BYTES} THEN ${column} END AS ${column}`
        : column,
    )
    .join(', ');
}

/** Whether none of the rows that {@link smallColumns} were selected of is without its texts. */
export function isComplete(rows: QueryRows, selection: Selection): boolean {
  return textSizes(rows, selection).every(sizeBytes => sizeBytes <= SMALL_BYTES);
}

function textSizes(rows: QueryRows, { columns }: Selection): readonly number[] {
  return Array.from(rows.column(columns.length), Number);
}

interface Rows {
  readonly places: readonly RowPlace[];
  readonly columns: string;
}

/**
 * Joined, because DuckDB then skips what is not among them; a list in the SQL text takes a hundred times as long. The
 * times let it skip whole row groups.
 */
async function readRows(
  connection: DuckDBConnection,
  selection: Selection,
  { places, columns }: Rows,
): Promise<QueryRows> {
  const times = [places[0]?.timeNs ?? 0n, places.at(-1)?.timeNs ?? 0n].sort((a, b) => (a < b ? -1 : 1));
  const rows = await query(
    connection,
    `SELECT ${columns}, text_bytes FROM (
       SELECT ${selection.columns.join(', ')}, ${textBytes(selection)} AS text_bytes, place
       FROM store.${selection.table}
       JOIN (SELECT unnest($1) AS row_id, generate_subscripts($1, 1) AS place) ON rowid = row_id
       WHERE ${selection.time} BETWEEN ${times.join(' AND ')}
     ) ORDER BY place`,
    { values: [listValue(places.map(({ rowId }) => rowId))], types: [LIST(BIGINT)] },
  );
  if (rows.count < places.length) throw new RowsMovedError('rows are no longer where they were found');
  return rows;
}

function* groupsOf(places: readonly RowPlace[], sizes: readonly number[]): Generator<readonly RowPlace[]> {
  let start = 0;
  let groupBytes = 0;
  for (const [index, sizeBytes] of sizes.entries()) {
    if (index > start && groupBytes + sizeBytes > MOST_BYTES_AT_ONCE) {
      yield places.slice(start, index);
      start = index;
      groupBytes = 0;
    }
    groupBytes += sizeBytes;
  }
  yield places.slice(start);
}
