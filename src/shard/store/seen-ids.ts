import { type DuckDBConnection, LIST, listValue, VARCHAR } from '@duckdb/node-api';

/** Remembers batch ids in the running transaction; the ones that were not known. Ids may be given twice. */
export function rememberBatchIds(
  connection: DuckDBConnection,
  ids: readonly string[],
  nowMs: number,
): Promise<Set<string>> {
  return returnedIds(connection, {
    sql: 'INSERT INTO store.batch_ids SELECT unnest($ids), $nowMs ON CONFLICT DO NOTHING RETURNING id',
    ids,
    values: { nowMs: BigInt(nowMs) },
  });
}

/** Remembers export ids in the running transaction; the ones that were not stored after `expiredMs`. */
export function rememberExportIds(
  connection: DuckDBConnection,
  ids: readonly string[],
  { nowMs, expiredMs }: { readonly nowMs: number; readonly expiredMs: number },
): Promise<Set<string>> {
  return returnedIds(connection, {
    sql: `INSERT INTO store.export_ids SELECT unnest($ids), $nowMs
      ON CONFLICT (id) DO UPDATE SET stored_at_ms = excluded.stored_at_ms WHERE export_ids.stored_at_ms <= $expiredMs
      RETURNING id`,
    // An id twice in one statement would count as its own conflict.
    ids: [...new Set(ids)],
    values: { nowMs: BigInt(nowMs), expiredMs: BigInt(expiredMs) },
  });
}

async function returnedIds(
  connection: DuckDBConnection,
  { sql, ids, values }: { sql: string; ids: readonly string[]; values: Record<string, bigint> },
): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const result = await connection.runAndReadAll(
    sql,
    { ...values, ids: listValue(ids) },
    { ids: LIST(VARCHAR) },
  );
  return new Set(result.getRows().map(([id]) => id as string));
}
