import { type DuckDBConnection, DuckDBDataChunk, type DuckDBValue } from '@duckdb/node-api';

/** A table of the schema `store` and what each of its columns holds of a row, in the order of the table. */
export interface AppendedTable<Row> {
  readonly table: string;
  readonly columns: readonly ((row: Row) => DuckDBValue)[];
}

/** The most rows DuckDB takes in one chunk. */
const CHUNK_ROWS = 2048;

/** Adds rows to the running transaction. Columns go over as vectors: value by value costs a call into DuckDB each. */
export async function appendRows<Row>(
  connection: DuckDBConnection,
  { table, columns }: AppendedTable<Row>,
  rows: readonly Row[],
): Promise<void> {
  if (rows.length === 0) return;
  const appender = await connection.createAppender(table, 'store');
  try {
    const types = columns.map((_, index) => appender.columnType(index));
    for (let start = 0; start < rows.length; start += CHUNK_ROWS) {
      const chunkRows = rows.slice(start, start + CHUNK_ROWS);
      const chunk = DuckDBDataChunk.create(types, chunkRows.length);
      columns.forEach((valueIn, index) => {
        const vector = chunk.getColumnVector(index);
        chunkRows.forEach((row, at) => {
          vector.setItem(at, valueIn(row));
        });
        vector.flush();
      });
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
