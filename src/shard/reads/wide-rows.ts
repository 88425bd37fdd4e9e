import { BIGINT, type DuckDBConnection, LIST, listValue } from '@duckdb/node-api';
import { columnSum, joinRows, type QueryRows, query } from './query.ts';
import type { ReadContext } from './read.ts';

/** What to read of rows. */
export interface Selection {
  readonly table: 'spans' | 'logs' | 'metrics' | 'comments';
  readonly columns: readonly string[];
  /** Those of them that can be long. */
  readonly texts: readonly string[];
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
 * Rows by where they are, and in that order; after the selected columns comes the size of the texts. In pieces:
 * DuckDB does not count the result of a query against its memory limit, so no result may be large because rows are
 * many or long.
 */
export async function* wideRows(
  connection: DuckDBConnection,
  selection: Selection,
  rowIds: readonly bigint[],
): AsyncGenerator<QueryRows> {
  for (let at = 0; at < rowIds.length; at += MOST_ROWS_AT_ONCE) {
    const some = rowIds.slice(at, at + MOST_ROWS_AT_ONCE);
    const rows = await readRows(connection, selection, { rowIds: some, columns: smallColumns(selection) });
    if (isComplete(rows, selection)) {
      yield rows;
      continue;
    }
    const columns = selection.columns.join(', ');
    for (const group of groupsOf(some, textSizes(rows, selection))) {
      yield await readRows(connection, selection, { rowIds: group, columns });
    }
  }
}

/** The rows of an answer that it has room for. */
export async function answerRows(
  { connection, room }: ReadContext,
  selection: Selection,
  rowIds: readonly bigint[],
): Promise<QueryRows> {
  const found: QueryRows[] = [];
  const pieces = wideRows(connection, selection, rowIds);
  for (let left = rowIds.length; left > 0 && !room.isUsedUp(); ) {
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
  { pages, limit }: { readonly pages: AsyncIterable<readonly bigint[]>; readonly limit: number },
): Promise<QueryRows> {
  const found: QueryRows[] = [];
  let left = limit;
  for await (const rowIds of pages) {
    const rows = await answerRows(context, selection, rowIds.slice(0, left));
    found.push(rows);
    left -= rows.count;
    if (left === 0 || context.room.isCut()) break;
  }
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
  readonly rowIds: readonly bigint[];
  readonly columns: string;
}

/** Joined, because DuckDB then skips what is not among them; a list in the SQL text takes a hundred times as long. */
function readRows(
  connection: DuckDBConnection,
  selection: Selection,
  { rowIds, columns }: Rows,
): Promise<QueryRows> {
  return query(
    connection,
    `SELECT ${columns}, text_bytes FROM (
       SELECT ${selection.columns.join(', ')}, ${textBytes(selection)} AS text_bytes, place
       FROM store.${selection.table}
       JOIN (SELECT unnest($1) AS row_id, generate_subscripts($1, 1) AS place) ON rowid = row_id
     ) ORDER BY place`,
    { values: [listValue(rowIds)], types: [LIST(BIGINT)] },
  );
}

function* groupsOf(rowIds: readonly bigint[], sizes: readonly number[]): Generator<readonly bigint[]> {
  let start = 0;
  let groupBytes = 0;
  for (const [index, sizeBytes] of sizes.entries()) {
    if (index > start && groupBytes + sizeBytes > MOST_BYTES_AT_ONCE) {
      yield rowIds.slice(start, index);
      start = index;
      groupBytes = 0;
    }
    groupBytes += sizeBytes;
  }
  yield rowIds.slice(start);
}
