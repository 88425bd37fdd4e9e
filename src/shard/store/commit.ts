import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api';
import { type AppendedTable, type Appender, createAppender } from './append.ts';
import { appendRecords } from './append-records.ts';
import { bigint, ubigint, uinteger } from './columns.ts';
import { type KeptAnswer, keepAnswers } from './kept-answers.ts';
import { replaceSpans } from './replace-spans.ts';
import { loadSeenIds, type Remembered, type SeenIds } from './seen-ids.ts';
import { loadSources, type ResolvedSources, type Sources } from './sources.ts';
import { latestStart, SPAN_WORDS, SpanList } from './span-list.ts';
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
  /** Kept for as long as the id is remembered. */
  readonly answer?: KeptAnswer | undefined;
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
  readonly appender: Appender;
  readonly batchIds: SeenIds;
  readonly exportIds: SeenIds;
  readonly sources: Sources;
  /** The number of the last commit; goes up with each. */
  readonly last: { commitNo: bigint };
  /** What every commit runs, planned once. */
  readonly begin: DuckDBPreparedStatement;
  readonly commit: DuckDBPreparedStatement;
}

/** @param before the store until now, if there was one */
export async function openStore(
  connection: DuckDBConnection,
  before?: Pick<Store, 'sources'>,
): Promise<Store> {
  return {
    connection,
    appender: createAppender(connection),
    batchIds: await loadSeenIds(connection, 'batch_ids'),
    exportIds: await loadSeenIds(connection, 'export_ids'),
    sources: await loadSources(connection, before?.sources),
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
  const { added, ids, result } = await addBatches(store, batches, time).catch(async (error: unknown) => {
    await rollBack(store);
    throw error;
  });
  try {
    await store.commit.run();
  } catch (error) {
    await rollBack(store);
    return { kind: 'undecided', result, cause: error };
  }
  for (const remembered of ids) remembered.commit();
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

interface AddedBatches {
  /** Absent when nothing was new. */
  readonly added: Added | undefined;
  readonly ids: readonly Remembered[];
  readonly result: CommitResult;
}

/** Everything of a commit but COMMIT. */
async function addBatches(
  store: Store,
  batches: readonly RecordBatch[],
  time: CommitTime,
): Promise<AddedBatches> {
  const ids = await rememberBatches(store, batches, time);
  const fresh = batches.filter(batch => batch.id === undefined || ids.fresh.delete(batch.id));
  const all = fresh.flatMap(batch => batch.slices);
  const exports = await rememberExports(store, all, time);
  const slices = all.filter(
    ({ exportId }) => exportId === undefined || exports?.fresh.delete(exportId) !== false,
  );
  const added = await addRecords(store, slices, time.nowMs);
  const answers = fresh.flatMap(({ id, answer }) =>
    id === undefined || answer === undefined ? [] : [{ id, ...answer }],
  );
  await keepAnswers(store.appender, answers, time.nowMs);
  const commit = added && { ...added.commit, batches: storedOf(fresh, new Set(slices)) };
  return {
    added,
    ids: exports === undefined ? [ids] : [ids, exports],
    result: { commit, freshBatches: new Set(fresh) },
  };
}

/** Of batches with equal ids the first is the fresh one. */
function rememberBatches(
  { batchIds, appender }: Store,
  batches: readonly RecordBatch[],
  { nowMs, batchMemoryMs }: CommitTime,
): Promise<Remembered> {
  const ids = batches.flatMap(batch => batch.id ?? []);
  return batchIds.remember(appender, { ids, nowMs, expiredMs: nowMs - batchMemoryMs });
}

/** Of slices of equal exports the first is the fresh one. All are when no export is to be recognised. */
async function rememberExports(
  { exportIds, appender }: Store,
  slices: readonly SliceRecords[],
  { nowMs, repeatWindowMs }: CommitTime,
): Promise<Remembered | undefined> {
  if (repeatWindowMs === 0) return undefined;
  const ids = slices.flatMap(slice => slice.exportId ?? []);
  return exportIds.remember(appender, { ids, nowMs, expiredMs: nowMs - repeatWindowMs });
}

function storedOf(
  batches: readonly RecordBatch[],
  stored: ReadonlySet<SliceRecords>,
): readonly (readonly Records[])[] {
  return batches.map(batch => batch.slices.filter(slice => stored.has(slice)).map(slice => slice.records));
}

/** What slices have together; spans stay in the lists that they are packed in. */
type Joined = Omit<Records, 'spans'> & { readonly lists: readonly SpanList[]; readonly spans: number };

function joined(slices: readonly SliceRecords[]): Joined {
  const all = slices.map(slice => slice.records);
  return {
    lists: all.map(({ spans }) => SpanList.of(spans)),
    spans: all.reduce((sum, { spans }) => sum + spans.length, 0),
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
  store: Store,
  slices: readonly SliceRecords[],
  nowMs: number,
): Promise<Added | undefined> {
  if (slices.every(({ records }) => rowCount(records) === 0)) return undefined;
  const { connection, appender, sources, last } = store;
  const records = joined(slices);
  const commitNo = last.commitNo + 1n;
  const { lists, spans, logs, metrics } = records;
  const resolved = await sources.resolve(connection, sourcesOf(records));
  const replaced = lists.some(hasReplacing)
    ? await replaceSpans(
        connection,
        lists.flatMap(list => [...list]),
        commitNo,
      )
    : new Set<never>();
  await storeBlobs(store, records.blobs, commitNo);
  await appendRecords(appender, {
    ...records,
    commitNo,
    sourceIds: resolved.ids,
    replaced,
    logWords: [...records.logWords],
  });
  await appender.append(COMMITS, [{ commitNo, nowMs, records }]);
  return {
    commit: { commitNo, spans, logs: logs.length, metrics: metrics.length },
    sources: resolved,
  };
}

function hasReplacing({ words, length }: SpanList): boolean {
  const { count, replaces } = SPAN_WORDS;
  for (let at = replaces; at < length * count; at += count) if (words[at] === 1) return true;
  return false;
}

function* sourcesOf({ lists, logs, metrics }: Joined) {
  for (const { origins } of lists) for (const { source } of origins) yield source;
  for (const { source } of logs) yield source;
  for (const { source } of metrics) yield source;
}

interface CommitRow {
  readonly commitNo: bigint;
  readonly nowMs: number;
  readonly records: Joined;
}

const COMMITS: AppendedTable<CommitRow> = {
  table: 'commits',
  columns: [
    ubigint(({ commitNo }) => commitNo),
    bigint(({ nowMs }) => BigInt(nowMs)),
    uinteger(({ records }) => records.spans),
    uinteger(({ records }) => records.logs.length),
    uinteger(({ records }) => records.metrics.length),
    ubigint(({ records }) => latestStart(records.lists)),
    ubigint(({ records }) => latest(records.logs, log => log.timeNs)),
    ubigint(({ records }) => latest(records.metrics, metric => metric.timeNs)),
  ],
};

function latest<R>(rows: readonly R[], timeOf: (row: R) => bigint): bigint | null {
  let latestNs: bigint | null = null;
  for (const row of rows) {
    const timeNs = timeOf(row);
    if (latestNs === null || timeNs > latestNs) latestNs = timeNs;
  }
  return latestNs;
}
