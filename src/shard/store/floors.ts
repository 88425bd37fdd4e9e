import type { DuckDBConnection } from '@duckdb/node-api';

/*
 * The floor is the last commit that retention has deleted. Each move of it is a row of `store.floors` and takes a
 * commit number of its own, so that a snapshot is from before it or from after it. The row says how recent the
 * deleted records were, so that a read whose window lies after them can go on with its snapshot.
 */

/** Rows of `floors` that are kept apart; older ones are joined to one that stands for all of them. */
const MAX_FLOORS = 200;

interface NewFloor {
  readonly floor: bigint;
  readonly nowMs: number;
  /** Comments of deleted commits go when they were made before this time. */
  readonly commentsBeforeNs: bigint;
}

/** Moves the floor in the running transaction, before the rows are deleted. */
export async function addFloor(
  connection: DuckDBConnection,
  { floor, nowMs, commentsBeforeNs }: NewFloor,
): Promise<void> {
  await connection.run(`
    INSERT INTO store.floors
    SELECT
      (SELECT last_commit + 1 FROM store.shard_state), ${floor},
      max(spans_to_ns), max(logs_to_ns), max(metrics_to_ns),
      (SELECT max(created_ns) FROM store.comments WHERE commit_no <= ${floor} AND created_ns < ${commentsBeforeNs})
    FROM store.commits WHERE commit_no <= ${floor}`);
  await connection.run(`
    INSERT INTO store.commits (commit_no, stored_at_ms, spans, logs, metrics)
    SELECT max(set_by_commit), ${nowMs}, 0, 0, 0 FROM store.floors`);
  await joinOldFloors(connection);
}

async function joinOldFloors(connection: DuckDBConnection): Promise<void> {
  const result = await connection.runAndReadAll(
    `SELECT set_by_commit FROM store.floors ORDER BY set_by_commit DESC OFFSET ${MAX_FLOORS - 1} LIMIT 1`,
  );
  const newestOld = result.getRows()[0]?.[0] as bigint | undefined;
  if (newestOld === undefined) return;
  const joined = await connection.runAndReadAll(
    `SELECT max(floor_commit), max(spans_to_ns), max(logs_to_ns), max(metrics_to_ns), max(comments_to_ns)
     FROM store.floors WHERE set_by_commit <= ${newestOld}`,
  );
  const values = joined.getRows()[0]?.map(value => String(value ?? 'NULL'));
  await connection.run(`DELETE FROM store.floors WHERE set_by_commit <= ${newestOld}`);
  await connection.run(`INSERT INTO store.floors VALUES (${newestOld}, ${values?.join(', ')})`);
}

export type RetainedTable = 'spans' | 'logs' | 'metrics' | 'comments';

export interface SnapshotRead {
  readonly table: RetainedTable;
  /** The commit that an earlier round or page was read at. */
  readonly asOf: bigint;
  /** The read sees nothing that is older; absent when it sees everything. */
  readonly fromNs?: bigint | undefined;
}

/** Whether retention has deleted rows that a read at `asOf` may have seen. To be asked in the read's transaction. */
export async function isSnapshotGone(
  connection: DuckDBConnection,
  { table, asOf, fromNs = 0n }: SnapshotRead,
): Promise<boolean> {
  const result = await connection.runAndReadAll(
    `SELECT 1 FROM store.floors WHERE set_by_commit > ${asOf} AND ${table}_to_ns >= ${fromNs} LIMIT 1`,
  );
  return result.currentRowCount > 0;
}
