import type { DuckDBConnection } from '@duckdb/node-api';

export interface StoreSize {
  /** Bytes of the file's blocks that hold data, deleted rows included until a checkpoint drops them. */
  readonly usedBytes: number;
  /** Of blocks that are free for reuse; the file itself does not shrink. */
  readonly freeBytes: number;
  /** The part of `usedBytes` that is not deleted, to the accuracy of an average row. */
  readonly liveBytes: number;
  /** Spans, log records and metric points. */
  readonly liveRows: number;
}

/** What a shard's data takes, from counts that DuckDB keeps. */
export async function storeSize(connection: DuckDBConnection): Promise<StoreSize> {
  const result = await connection.runAndReadAll(`
    SELECT
      used_blocks * block_size, free_blocks * block_size,
      (SELECT count(*) FROM store.spans) + (SELECT count(*) FROM store.logs) + (SELECT count(*) FROM store.metrics),
      -- Rows that are deleted and still take space count here.
      (SELECT sum(estimated_size) FROM duckdb_tables()
       WHERE schema_name = 'store' AND table_name IN ('spans', 'logs', 'metrics'))
    FROM pragma_database_size() WHERE database_name = current_database()
  `);
  const [usedBytes = 0, freeBytes = 0, liveRows = 0, storedRows = 0] = (result.getRows()[0] ?? []).map(
    Number,
  );
  return {
    usedBytes,
    freeBytes,
    liveBytes: storedRows === 0 ? usedBytes : usedBytes * Math.min(1, liveRows / storedRows),
    liveRows,
  };
}
