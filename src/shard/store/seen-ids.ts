import { BIGINT, type DuckDBConnection, LIST, listValue, VARCHAR } from '@duckdb/node-api';
import { appendRows } from './append.ts';

/*
 * No index: with one, DuckDB deletes some ten thousand ids in seconds, for which ingest would wait, and never gives
 * their space back. Batch ids begin with their time (UUIDv7), so that most of the table is skipped, and export ids are
 * remembered for minutes.
 */

type SeenIds = 'batch_ids' | 'export_ids';

/** Deletes the ids that were stored at that time or before. */
export async function forgetIds(
  connection: DuckDBConnection,
  table: SeenIds,
  throughMs: number,
): Promise<void> {
  await connection.run(`DELETE FROM store.${table} WHERE stored_at_ms <= $throughMs`, {
    throughMs: BigInt(throughMs),
  });
}

interface Remembering {
  /** May be given twice. */
  readonly ids: readonly string[];
  readonly nowMs: number;
  /** What was stored then or before is not known any more. */
  readonly expiredMs: number;
}

/** Remembers ids in the running transaction; the ones that were not known. */
export async function rememberIds(
  connection: DuckDBConnection,
  table: SeenIds,
  { ids, nowMs, expiredMs }: Remembering,
): Promise<Set<string>> {
  const fresh = new Set(ids);
  if (fresh.size === 0) return fresh;
  const known = await connection.runAndReadAll(
    `SELECT id FROM store.${table} WHERE id IN (SELECT unnest($ids)) AND stored_at_ms > $expiredMs`,
    { ids: listValue([...fresh]), expiredMs: BigInt(expiredMs) },
    { ids: LIST(VARCHAR), expiredMs: BIGINT },
  );
  for (const [id] of known.getRows()) fresh.delete(id as string);
  const columns = [(id: string) => id, () => BigInt(nowMs)];
  await appendRows(connection, { table, columns }, [...fresh]);
  return fresh;
}
