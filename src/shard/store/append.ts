import { type DuckDBConnection, DuckDBDataChunk, type DuckDBValue } from '@duckdb/node-api';

/** A column of the chunk that is being filled. */
interface Vector {
  setItem(at: number, value: DuckDBValue): void;
}

/** A table of the schema `store` and how a row gets into its columns, which are in the order of the table. */
export interface AppendedTable<Row> {
  readonly table: string;
  readonly columnCount: number;
  /** Sets the item `at` of every column. A call of its own for each lets V8 tell the types of columns apart. */
  write(columns: readonly Vector[], at: number, row: Row): void;
}

/** The most rows DuckDB takes in one chunk. */
const CHUNK_ROWS = 2048;

/** Adds rows to the running transaction. Columns go over as vectors: value by value costs a call into DuckDB each. */
export async function appendRows<Row>(
  connection: DuckDBConnection,
  { table, columnCount, write }: AppendedTable<Row>,
  rows: readonly Row[],
): Promise<void> {
  if (rows.length === 0) return;
  const appender = await connection.createAppender(table, 'store');
  try {
    const types = Array.from({ length: columnCount }, (_, index) => appender.columnType(index));
    for (let start = 0; start < rows.length; start += CHUNK_ROWS) {
      const rowCount = Math.min(CHUNK_ROWS, rows.length - start);
      const chunk = DuckDBDataChunk.create(types, rowCount);
      const columns = types.map((_, index) => chunk.getColumnVector(index));
      for (let at = 0; at < rowCount; at++) write(columns, at, rows[start + at] as Row);
      for (const column of columns) column.flush();
      appender.appendDataChunk(chunk);
    }
    // Rows still in the appender are not part of the transaction: COMMIT would not store them now, and a ROLLBACK
    // would not keep them from being stored later.
    appender.flushSync();
  } finally {
    appender.clear();
    appender.closeSync();
  }
}
