import type { DuckDBConnection } from '@duckdb/node-api';
import { type AppendedTable, appendRows } from './append.ts';

/*
 * Ids that repeats are recognised by, looked up first and then appended: one connection does all the writing, so
 * nobody comes between the two, and `INSERT … ON CONFLICT` takes five times as long, with a hundred ids fifteen times.
 */

/** Remembers batch ids in the running transaction; the ones that were not known. Ids may be given twice. */
export async function rememberBatchIds(
  connection: DuckDBConnection,
  ids: readonly string[],
  nowMs: number,
): Promise<Set<string>> {
  const fresh = new Set(ids);
  for (const [id] of await rowsOf(connection, 'batch_ids', ids)) fresh.delete(id);
  await appendIds(connection, { table: 'batch_ids', ids: fresh, nowMs });
  return fresh;
}

/** Remembers export ids in the running transaction; the ones that were not stored after `expiredMs`. */
export async function rememberExportIds(
  connection: DuckDBConnection,
  ids: readonly string[],
  { nowMs, expiredMs }: { readonly nowMs: number; readonly expiredMs: number },
): Promise<Set<string>> {
  const fresh = new Set(ids);
  const expired: string[] = [];
  for (const [id, storedAtMs] of await rowsOf(connection, 'export_ids', ids)) {
    fresh.delete(id);
    if (storedAtMs <= expiredMs) expired.push(id);
  }
  await appendIds(connection, { table: 'export_ids', ids: fresh, nowMs });
  if (expired.length > 0) {
    await connection.run(
      `UPDATE store.export_ids SET stored_at_ms = ${nowMs} WHERE id IN (${literals(expired)})`,
    );
  }
  return new Set([...fresh, ...expired]);
}

type IdTable = 'batch_ids' | 'export_ids';

async function rowsOf(
  connection: DuckDBConnection,
  table: IdTable,
  ids: readonly string[],
): Promise<readonly (readonly [id: string, storedAtMs: bigint])[]> {
  if (ids.length === 0) return [];
  // Literals, because DuckDB does not look a list that is a parameter up in its index.
  const result = await connection.runAndReadAll(
    `SELECT id, stored_at_ms FROM store.${table} WHERE id IN (${literals(ids)})`,
  );
  return result.getRows() as unknown as [string, bigint][];
}

async function appendIds(
  connection: DuckDBConnection,
  { table, ids, nowMs }: { table: IdTable; ids: ReadonlySet<string>; nowMs: number },
): Promise<void> {
  const storedAtMs = BigInt(nowMs);
  const write: AppendedTable<string>['write'] = (columns, at, id) => {
    columns[0]?.setItem(at, id);
    columns[1]?.setItem(at, storedAtMs);
  };
  await appendRows(connection, { table, columnCount: 2, write }, [...ids]);
}

function literals(ids: readonly string[]): string {
  return ids.map(id => `'${id.replaceAll("'", "''")}'`).join(', ');
}
