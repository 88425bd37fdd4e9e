import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api';
import { type AppendedTable, appendRows } from './append.ts';
import { appendRecords } from './append-records.ts';
import { replaceSpans } from './replace-spans.ts';
import { rememberIds } from './seen-ids.ts';
import { loadSources, type ResolvedSources, type Sources } from './sources.ts';
import { storeBlobs } from './store-blobs.ts';
import { type Records, rowCount } from './tables.ts';

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
  /** Batch ids stored at or before `nowMs - batchMemoryMs` count as new. */
  readonly batchMemoryMs: number;
  /** Export ids stored at or before `nowMs - repeatWindowMs` count as new; 0 remembers none. */
  readonly repeatWindowMs: number;
}

/** A commit that stored something: its number, how many rows it added, and which. */
export interface Commit {
  readonly commitNo: bigint;
  readonly spans: number;
  readonly logs: number;
  readonly metrics: number;
  /** The slices of each batch, repeats left out. */
  readonly batches: readonly (readonly Records[])[];
}

export interface CommitResult {
  /** Absent when nothing was new. */
  readonly commit: Commit | undefined;
  /** The batches that were not known; a slice of them may still have been a repeat. */
  readonly freshBatches: ReadonlySet<RecordBatch>;
}

export type CommitOutcome =
  /** Committed and synced. */
  | { readonly kind: 'committed'; readonly result: CommitResult }
  /**
   * COMMIT failed, in the checkpoint that it started perhaps: everything of the result is there or nothing is. A new
   * connection tells which, by the number of the last commit.
   */
  | { readonly kind: 'undecided'; readonly result: CommitResult; readonly cause: unknown };

/** The writing end of the database, on a connection of its own. */
export interface Store {
  readonly connection: DuckDBConnection;
  readonly sources: Sources;
  /** The number of the last commit; goes up with each. */
  readonly last: { commitNo: bigint };
  /** What every commit runs, planned once. */
  readonly begin: DuckDBPreparedStatement;
  readonly commit: DuckDBPreparedStatement;
}

export async function openStore(connection: DuckDBConnection): Promise<Store> {
  return {
    connection,
    sources: await loadSources(connection),
    begin: await connection.prepare('BEGIN'),
    last: { commitNo: await lastCommitNo(connection) },
    commit: await connection.prepare('COMMIT'),
  };
}

export async function lastCommitNo(connection: DuckDBConnection): Promise<bigint> {
  const result = await connection.runAndReadAll('SELECT last_commit FROM store.shard_state');
  return result.getRows()[0]?.[0] as bigint;
}

/**
 * Stores batches in one transaction: ids first, then only the rows that are new. When the promise rejects nothing is
 * stored.
 */
export async function commitBatches(
  store: Store,
  batches: readonly RecordBatch[],
  time: CommitTime,
): Promise<CommitOutcome> {
  await store.begin.run();
  const { added, result } = await addBatches(store, batches, time).catch(async (error: unknown) => {
    await rollBack(store);
    throw error;
  });
  try {
    await store.commit.run();
  } catch (error) {
    await rollBack(store);
    return { kind: 'undecided', result, cause: error };
  }
  if (added !== undefined) {
    store.last.commitNo = added.commit.commitNo;
    added.sources.remember();
  }
  return { kind: 'committed', result };
}

/** A failed statement or commit may have ended the transaction already. */
async function rollBack({ connection }: Store): Promise<void> {
  await connection.run('ROLLBACK').catch(() => undefined);
}

/** Everything of a commit but COMMIT. */
async function addBatches(
  store: Store,
  batches: readonly RecordBatch[],
  time: CommitTime,
): Promise<{ readonly added: Added | undefined; readonly result: CommitResult }> {
  const fresh = await rememberBatches(store.connection, batches, time);
  const slices = await rememberExports(
    store.connection,
    fresh.flatMap(batch => batch.slices),
    time,
  );
  const added = await addRecords(store, joined(slices), time.nowMs);
  const commit = added && { ...added.commit, batches: storedOf(fresh, new Set(slices)) };
  return { added, result: { commit, freshBatches: new Set(fresh) } };
}

/** The batches whose id was not known, of equal ids the first. */
async function rememberBatches(
  connection: DuckDBConnection,
  batches: readonly RecordBatch[],
  { nowMs, batchMemoryMs }: CommitTime,
): Promise<readonly RecordBatch[]> {
  const ids = batches.flatMap(batch => batch.id ?? []);
  const seen = { ids, nowMs, expiredMs: nowMs - batchMemoryMs };
  const freshIds = await rememberIds(connection, 'batch_ids', seen);
  return batches.filter(batch => batch.id === undefined || freshIds.delete(batch.id));
}

/** The slices whose export id was not seen within the window, of equal ids the first. */
async function rememberExports(
  connection: DuckDBConnection,
  slices: readonly SliceRecords[],
  { nowMs, repeatWindowMs }: CommitTime,
): Promise<readonly SliceRecords[]> {
  if (repeatWindowMs === 0) return slices;
  const ids = slices.flatMap(slice => slice.exportId ?? []);
  const seen = { ids, nowMs, expiredMs: nowMs - repeatWindowMs };
  const freshIds = await rememberIds(connection, 'export_ids', seen);
  return slices.filter(slice => slice.exportId === undefined || freshIds.delete(slice.exportId));
}

function storedOf(
  batches: readonly RecordBatch[],
  stored: ReadonlySet<SliceRecords>,
): readonly (readonly Records[])[] {
  return batches.map(batch => batch.slices.filter(slice => stored.has(slice)).map(slice => slice.records));
}

function joined(slices: readonly SliceRecords[]): Records {
  const all = slices.map(slice => slice.records);
  const [only] = all;
  if (all.length === 1 && only !== undefined) return only;
  return {
    spans: all.flatMap(records => records.spans),
    logs: all.flatMap(records => records.logs),
    metrics: all.flatMap(records => records.metrics),
    blobs: all.flatMap(records => records.blobs),
    comments: all.flatMap(records => records.comments),
    spanWords: all.flatMap(records => records.spanWords),
    logWords: new Set(all.flatMap(records => [...records.logWords])),
  };
}

interface Added {
  readonly commit: Omit<Commit, 'batches'>;
  readonly sources: ResolvedSources;
}

async function addRecords(
  { connection, sources, last }: Store,
  records: Records,
  nowMs: number,
): Promise<Added | undefined> {
  if (rowCount(records) === 0) return undefined;
  const commitNo = last.commitNo + 1n;
  const { spans, logs, metrics } = records;
  const resolved = await sources.resolve(connection, sourcesOf(records));
  const replacedSpans = spans.some(span => span.replaces)
    ? await replaceSpans(connection, spans, commitNo)
    : new Set<never>();
  await storeBlobs(connection, records.blobs, commitNo);
  await appendRecords(connection, {
    ...records,
    commitNo,
    sourceIds: resolved.ids,
    replacedSpans,
    logWords: [...records.logWords],
  });
  await appendRows(connection, COMMITS, [{ commitNo, nowMs, records }]);
  return {
    commit: { commitNo, spans: spans.length, logs: logs.length, metrics: metrics.length },
    sources: resolved,
  };
}

function* sourcesOf({ spans, logs, metrics }: Records) {
  for (const { source } of spans) yield source;
  for (const { source } of logs) yield source;
  for (const { source } of metrics) yield source;
}

interface CommitRow {
  readonly commitNo: bigint;
  readonly nowMs: number;
  readonly records: Records;
}

const COMMITS: AppendedTable<CommitRow> = {
  table: 'commits',
  columnCount: 8,
  write(columns, at, { commitNo, nowMs, records: { spans, logs, metrics } }) {
    columns[0]?.setItem(at, commitNo);
    columns[1]?.setItem(at, BigInt(nowMs));
    columns[2]?.setItem(at, spans.length);
    columns[3]?.setItem(at, logs.length);
    columns[4]?.setItem(at, metrics.length);
    columns[5]?.setItem(
      at,
      latest(spans, span => span.startNs),
    );
    columns[6]?.setItem(
      at,
      latest(logs, log => log.timeNs),
    );
    columns[7]?.setItem(
      at,
      latest(metrics, metric => metric.timeNs),
    );
  },
};

function latest<R>(rows: readonly R[], timeOf: (row: R) => bigint): bigint | null {
  let latestNs: bigint | null = null;
  for (const row of rows) {
    const timeNs = timeOf(row);
    if (latestNs === null || timeNs > latestNs) latestNs = timeNs;
  }
  return latestNs;
}
