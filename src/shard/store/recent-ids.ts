import type { DuckDBConnection } from '@duckdb/node-api';

/** The part of a table of ids that is in memory, and how far its silence about an id says that the table has none. */
export interface RecentIds {
  /** `unsure` when only the table can tell. What was stored at `expiredMs` or before counts as never seen. */
  knows(id: bigint, expiredMs: number): 'seen' | 'new' | 'unsure';
  /** Adds ids that the table has now. */
  add(ids: readonly bigint[], storedAtMs: number, expiredMs: number): void;
}

/** Some 80 bytes each. */
const MAX_RECENT = 100_000;

/**
 * Batch ids grow with time and are remembered for days: of them the largest are kept. Export ids are in no order and
 * are remembered for minutes: of them those stored last are kept. Neither trusts a clock: what may be in the table
 * alone is known by its id or by the time that is stored with it.
 */
export async function loadRecentIds(
  connection: DuckDBConnection,
  table: 'batch_ids' | 'export_ids',
  maxRecent = MAX_RECENT,
): Promise<RecentIds> {
  const order = table === 'batch_ids' ? 'id' : 'stored_at_ms';
  const storedAtMs = new Map<bigint, number>();
  /** An id below it may be in the table alone. */
  let completeFrom = 0n;
  /** So may be one that was stored at that time or before. */
  let completeAfterMs = Number.NEGATIVE_INFINITY;

  function leaveOut(id: bigint, itsStoredAtMs: number, expiredMs: number): void {
    if (itsStoredAtMs <= expiredMs || table === 'export_ids') {
      completeAfterMs = Math.max(completeAfterMs, itsStoredAtMs);
    } else if (id >= completeFrom) {
      completeFrom = id + 1n;
    }
  }

  const loaded = await connection.runAndReadAll(
    `SELECT id, stored_at_ms FROM store.${table} ORDER BY ${order} DESC LIMIT ${maxRecent + 1}`,
  );
  const rows = (loaded.getRows() as [bigint, bigint][]).toReversed();
  if (rows.length > maxRecent) {
    const [id, ms] = rows.shift() as [bigint, bigint];
    leaveOut(id, Number(ms), Number.NEGATIVE_INFINITY);
  }
  for (const [id, ms] of rows) storedAtMs.set(id, Math.max(Number(ms), storedAtMs.get(id) ?? 0));

  return {
    knows(id, expiredMs) {
      const itsStoredAtMs = storedAtMs.get(id);
      if (itsStoredAtMs !== undefined && itsStoredAtMs > expiredMs) return 'seen';
      return id >= completeFrom && expiredMs >= completeAfterMs ? 'new' : 'unsure';
    },
    add(ids, nowMs, expiredMs) {
      for (const id of ids) {
        storedAtMs.delete(id);
        storedAtMs.set(id, nowMs);
      }
      // In the order in which they came, which is about that of batch ids too.
      for (const [id, itsStoredAtMs] of storedAtMs) {
        if (storedAtMs.size <= maxRecent) break;
        storedAtMs.delete(id);
        leaveOut(id, itsStoredAtMs, expiredMs);
      }
    },
  };
}
