import { createHash } from 'node:crypto';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { AppendedTable, Appender } from './append.ts';
import { bigint, uhugeint } from './columns.ts';

/*
 * Ids that repeats are recognised by, looked up first and then appended: one connection does all the writing, so nobody
 * comes between the two. They are kept as 128-bit numbers and without an index: with one, deleting ten thousand of
 * them takes DuckDB seconds, for which ingest would wait, and it never gives their space back. Batch ids begin with
 * their time (UUIDv7), so that most of the table is skipped, and export ids are remembered for minutes.
 */

type SeenIds = 'batch_ids' | 'export_ids';

interface Remembering {
  /** May be given twice. */
  readonly ids: readonly string[];
  readonly nowMs: number;
  /** What was stored then or before is not known any more. */
  readonly expiredMs: number;
}

/** Remembers ids in the running transaction; the ones that were not known. */
export async function rememberIds(
  { connection, appender }: { readonly connection: DuckDBConnection; readonly appender: Appender },
  table: SeenIds,
  { ids, nowMs, expiredMs }: Remembering,
): Promise<Set<string>> {
  const fresh = new Map(ids.map(id => [numberOf(id), id]));
  if (fresh.size === 0) return new Set();
  // Literals, because DuckDB skips what cannot have one of them.
  const literals = [...fresh.keys()].map(number => `${number}::UHUGEINT`).join(', ');
  const known = await connection.runAndReadAll(
    `SELECT id FROM store.${table} WHERE id IN (${literals}) AND stored_at_ms > ${expiredMs}`,
  );
  for (const [number] of known.getRows()) fresh.delete(number as bigint);
  await appender.append(idTable(table, nowMs), [...fresh.keys()]);
  return new Set(fresh.values());
}

function idTable(table: SeenIds, nowMs: number): AppendedTable<bigint> {
  const storedAtMs = BigInt(nowMs);
  return { table, columns: [uhugeint(number => number), bigint(() => storedAtMs)] };
}

/** Deletes the ids that were stored at that time or before. */
export async function forgetIds(
  connection: DuckDBConnection,
  table: SeenIds,
  throughMs: number,
): Promise<void> {
  await connection.run(`DELETE FROM store.${table} WHERE stored_at_ms <= ${throughMs}`);
}

const UUID_OR_HEX = /^[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}$/;

/** UUIDs and 32 hex digits are the number that they are, in their order; anything else is hashed to one. */
function numberOf(id: string): bigint {
  const hex = UUID_OR_HEX.test(id)
    ? id.replaceAll('-', '')
    : createHash('sha256').update(id).digest('hex').slice(0, 32);
  return BigInt(`0x${hex}`);
}
