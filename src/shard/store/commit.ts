import { type DuckDBConnection, LIST, listValue, VARCHAR } from '@duckdb/node-api';
import { appendRecord, type RecordOf, type Records, TABLE_NAMES, type TableName } from './tables.ts';

/** What one slice of a batch stores. Without an export id it is never recognised as a sender's repeat. */
export interface SliceRecords {
  readonly exportId: string | undefined;
  readonly records: Records;
}

/** A decoded batch. Without an id it is never recognised as a redelivery. */
export interface RecordBatch {
  readonly id: string | undefined;
  readonly slices: readonly SliceRecords[];
}

export interface CommitTime {
  readonly nowMs: number;
  /** Export ids stored at or before `nowMs - repeatWindowMs` count as new; 0 remembers none. */
  readonly repeatWindowMs: number;
}

/**
 * Stores batches in one transaction: ids first, then only the rows that are new. When the promise resolves
 * everything is committed and synced; when it rejects nothing is stored.
 */
export async function commitBatches(
  connection: DuckDBConnection,
  batches: readonly RecordBatch[],
  time: CommitTime,
): Promise<void> {
  await connection.run('BEGIN');
  try {
    const freshBatches = await rememberBatches(connection, batches, time.nowMs);
    const slices = await rememberExports(
      connection,
      freshBatches.flatMap(batch => batch.slices),
      time,
    );
    if (freshBatches.length > 0) {
      const commitNo = await nextCommitNo(connection);
      for (const table of TABLE_NAMES) {
        await appendRows(connection, { table, slices, commitNo });
      }
    }
    await connection.run('COMMIT');
  } catch (error) {
    // A failed statement or commit may have ended the transaction already.
    await connection.run('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** The batches whose id was not known, of equal ids the first. */
async function rememberBatches(
  connection: DuckDBConnection,
  batches: readonly RecordBatch[],
  nowMs: number,
): Promise<readonly RecordBatch[]> {
  const ids = batches.flatMap(batch => batch.id ?? []);
  const freshIds = await returnedIds(connection, {
    sql: 'INSERT INTO batch_ids SELECT unnest($ids), $nowMs ON CONFLICT DO NOTHING RETURNING id',
    ids,
    values: { nowMs: BigInt(nowMs) },
  });
  return batches.filter(batch => batch.id === undefined || freshIds.delete(batch.id));
}

/** The slices whose export id was not seen within the window, of equal ids the first. */
async function rememberExports(
  connection: DuckDBConnection,
  slices: readonly SliceRecords[],
  { nowMs, repeatWindowMs }: CommitTime,
): Promise<readonly SliceRecords[]> {
  if (repeatWindowMs === 0) return slices;
  const freshIds = await returnedIds(connection, {
    sql: `INSERT INTO export_ids SELECT unnest($ids), $nowMs
      ON CONFLICT (id) DO UPDATE SET stored_at_ms = excluded.stored_at_ms WHERE export_ids.stored_at_ms <= $expiredMs
      RETURNING id`,
    // An id twice in one statement would count as its own conflict.
    ids: [...new Set(slices.flatMap(slice => slice.exportId ?? []))],
    values: { nowMs: BigInt(nowMs), expiredMs: BigInt(nowMs - repeatWindowMs) },
  });
  return slices.filter(slice => slice.exportId === undefined || freshIds.delete(slice.exportId));
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

async function nextCommitNo(connection: DuckDBConnection): Promise<bigint> {
  const result = await connection.runAndReadAll(
    'UPDATE shard_state SET last_commit = last_commit + 1 RETURNING last_commit',
  );
  return result.getRows()[0]?.[0] as bigint;
}

interface RowsOfCommit {
  readonly table: TableName;
  readonly slices: readonly SliceRecords[];
  readonly commitNo: bigint;
}

async function appendRows(
  connection: DuckDBConnection,
  { table, slices, commitNo }: RowsOfCommit,
): Promise<void> {
  const rows = slices.flatMap<RecordOf<TableName>>(slice => slice.records[table]);
  if (rows.length === 0) return;
  const appender = await connection.createAppender(table);
  try {
    rows.forEach((record, ordinal) => {
      appendRecord(appender, table, { record, commitNo, ordinal });
    });
    // Rows still in the appender are not part of the transaction: COMMIT would not store them now, and a ROLLBACK
    // would not keep them from being stored later.
    appender.flushSync();
  } finally {
    appender.clear();
    appender.closeSync();
  }
}
