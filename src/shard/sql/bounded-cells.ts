import { type DuckDBConnection, DuckDBTypeId } from '@duckdb/node-api';

/** Types whose values can be of any size. DuckDB gives those that are not text as text, in its own words. */
const UNBOUNDED_TYPES: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.VARCHAR,
  DuckDBTypeId.BLOB,
  DuckDBTypeId.BIT,
  DuckDBTypeId.BIGNUM,
  DuckDBTypeId.LIST,
  DuckDBTypeId.ARRAY,
  DuckDBTypeId.STRUCT,
  DuckDBTypeId.MAP,
  DuckDBTypeId.UNION,
  DuckDBTypeId.VARIANT,
  DuckDBTypeId.GEOMETRY,
]);

/** One value holds up everything else while it is made a JavaScript string and then JSON. */
const MAX_CELL_BYTES = 32 * 1024 * 1024;

/**
 * The query around a query that has DuckDB write nested values as text, within its own limits and in its own threads,
 * and fail at a value of too many bytes. As JavaScript objects the items of a large list would hold up the event loop
 * for seconds, or exhaust its heap.
 * @throws what planning the query throws
 */
export async function withBoundedCells(
  connection: DuckDBConnection,
  sql: string,
  { maxAnswerBytes }: { readonly maxAnswerBytes: number },
): Promise<string> {
  const maxCellBytes = Math.min(MAX_CELL_BYTES, maxAnswerBytes);
  const prepared = await connection.prepare(sql);
  try {
    const columns = Array.from({ length: prepared.columnCount }, (_, index) => ({
      cell: `c${index}`,
      name: prepared.columnName(index),
      isUnbounded: UNBOUNDED_TYPES.has(prepared.columnTypeId(index)),
    }));
    if (!columns.some(({ isUnbounded }) => isUnbounded)) return sql;
    const shown = columns.map(
      ({ cell, name, isUnbounded }) =>
        `${isUnbounded ? bounded(cell, { name, maxCellBytes }) : cell} AS ${quoted(name, '"')}`,
    );
    const cells = columns.map(({ cell, isUnbounded }) =>
      isUnbounded ? `${cell}::VARCHAR AS ${cell}` : cell,
    );
    const names = columns.map(({ cell }) => cell);
    return `SELECT ${shown.join()} FROM (SELECT ${cells.join()} FROM (\n${sql}\n) AS cells(${names.join()}))`;
  } finally {
    prepared.destroySync();
  }
}

function bounded(cell: string, { name, maxCellBytes }: { name: string; maxCellBytes: number }): string {
  const reason =
    `a value of column ${JSON.stringify(name)} has more than ${maxCellBytes} bytes as text ` +
    `(the most is shard.maxAnswerBytes, and ${MAX_CELL_BYTES}); select a part of it, or unnest it`;
  return `CASE WHEN strlen(${cell}) > ${maxCellBytes} THEN error(${quoted(reason, "'")})::VARCHAR ELSE ${cell} END`;
}

function quoted(text: string, quote: '"' | "'"): string {
  return `${quote}${text.replaceAll(quote, quote + quote)}${quote}`;
}
