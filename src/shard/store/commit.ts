import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api';
import { unionOf } from '../word-set.ts';
import { type AppendedTable, type Appender, createAppender } from './append.ts';
import { appendRecords } from './append-records.ts';
import { openBackground } from './background.ts';
import { bigint, ubigint, uinteger } from './columns.ts';
import { keepAnswers } from './kept-answers.ts';
import { countOf, latest, PackedList } from './packed/list.ts';
import { LOGS, METRICS, SPANS } from './packed/tables.ts';
import type { RecordBatch, SliceRecords } from './record-batch.ts';
import { type CommitTime, lookUp, newOf } from './repeats.ts';
import { replaceSpans } from './replace-spans.ts';
import { type Look, loadSeenIds, type SeenIds } from './seen-ids.ts';
import { loadSources, type ResolvedSources, type Sources } from './sources.ts';
import { storeBlobs } from './store-blobs.ts';
import { type LogRecord, type MetricRecord, type Records, rowCount, type SpanRecord } from './tables.ts';
import type { TracesOfCommit } from './trace-order.ts';

/** A commit that stored something: its number, how many rows it added, and which. */
export interface Commit {
  readonly commitNo: bigint;
  readonly spans: number;
  readonly logs: number;
  readonly metrics: number;
  /** The slices of each batch, repeats left out. */
  readonly batches: readonly (readonly Records[])[];
  /** Of its spans. */
  readonly traces: TracesOfCommit;
}

/** How far the data has come. */
export interface Position {
  /** The last commit. */
  readonly commitNo: bigint;
  /** The last one that retention has deleted. */
  readonly floorNo: bigint;
}

export interface CommitResult {
  /** Absent when nothing was new. */
  readonly commit: Commit | undefined;
  /** The batches that were not known; a slice of them may still have been a repeat. */
  readonly freshBatches: ReadonlySet<RecordBatch>;
  /** Those of which some records are there already, of the batch or of one of its slices. Nothing of them was stored. */
  readonly partlyStored: ReadonlySet<RecordBatch>;
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
  /** As of the last commit. */
  position: Position;
  /** What every commit runs, planned once. */
  readonly begin: DuckDBPreparedStatement;
  commit(): Promise<void>;
}

interface StoreOptions {
  /** The store until now, if there was one. */
  readonly before?: Pick<Store, 'sources'> | undefined;
  /** For how long a read has been open, which may keep DuckDB's threads busy; 0 when none is. */
  readonly longestReadMs: () => number;
}

export async function openStore(
  connection: DuckDBConnection,
  { before, longestReadMs }: StoreOptions,
): Promise<Store> {
  const background = await openBackground(connection, longestReadMs);
  const commit = await connection.prepare('COMMIT');
  return {
    connection,
    appender: createAppender(connection),
    batchIds: await loadSeenIds(connection, 'batch_ids'),
    exportIds: await loadSeenIds(connection, 'export_ids'),
    sources: await loadSources(connection, before?.sources),
    begin: await connection.prepare('BEGIN'),
    position: await positionOf(connection),
    commit: () => background.run(commit),
  };
}

export async function positionOf(connection: DuckDBConnection): Promise<Position> {
  const result = await connection.runAndReadAll('SELECT last_commit, floor_commit FROM store.shard_state');
  const [[commitNo, floorNo]] = result.getRows() as [[bigint, bigint]];
  return { commitNo, floorNo };
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
    await store.commit();
  } catch (error) {
    await rollBack(store);
    return { kind: 'undecided', result, cause: error };
  }
  for (const look of ids) look.commit();
  if (added !== undefined) {
    store.position = { ...store.position, commitNo: added.commit.commitNo };
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
  readonly ids: readonly Look[];
  readonly result: CommitResult;
}

/** Everything of a commit but COMMIT. */
async function addBatches(
  store: Store,
  batches: readonly RecordBatch[],
  time: CommitTime,
): Promise<AddedBatches> {
  const ids = await lookUp(store, batches, time);
  const { fresh, slices, partlyStored } = newOf(batches, ids);
  for (const look of ids.both) await look.store(store.appender);
  const added = await addRecords(store, slices, time.nowMs);
  const answers = fresh.flatMap(({ id, answer }) =>
    id === undefined || answer === undefined ? [] : [{ id, ...answer }],
  );
  await keepAnswers(store.appender, answers, time.nowMs);
  const commit = added && { ...added.commit, batches: storedOf(fresh, new Set(slices)) };
  return { added, ids: ids.both, result: { commit, freshBatches: new Set(fresh), partlyStored } };
}

function storedOf(
  batches: readonly RecordBatch[],
  stored: ReadonlySet<SliceRecords>,
): readonly (readonly Records[])[] {
  return batches.map(batch => batch.slices.filter(slice => stored.has(slice)).map(slice => slice.records));
}

/** What slices have together; packed records stay in their lists. */
interface Joined extends Omit<Records, 'spans' | 'logs' | 'metrics'> {
  readonly spans: readonly PackedList<SpanRecord>[];
  readonly logs: readonly PackedList<LogRecord>[];
  readonly metrics: readonly PackedList<MetricRecord>[];
}

function joined(slices: readonly SliceRecords[]): Joined {
  const all = slices.map(slice => slice.records);
  return {
    spans: all.map(({ spans }) => PackedList.of(SPANS, spans)),
    logs: all.map(({ logs }) => PackedList.of(LOGS, logs)),
    metrics: all.map(({ metrics }) => PackedList.of(METRICS, metrics)),
    blobs: all.flatMap(records => records.blobs),
    comments: all.flatMap(records => records.comments),
    spanWords: all.flatMap(records => records.spanWords),
    logWords: unionOf(all.map(records => records.logWords)),
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
  const { connection, appender, sources, position } = store;
  const records = joined(slices);
  const commitNo = position.commitNo + 1n;
  const { spans, logs, metrics } = records;
  const resolved = await sources.resolve(connection, sourcesOf(records));
  const replaced = spans.some(hasReplacing)
    ? await replaceSpans(
        connection,
        spans.flatMap(list => [...list]),
        commitNo,
      )
    : new Set<never>();
  await storeBlobs(store, records.blobs, commitNo);
  const traces = await appendRecords(appender, { ...records, commitNo, sourceIds: resolved.ids, replaced });
  const counts = { spans: countOf(spans), logs: countOf(logs), metrics: countOf(metrics) };
  await appender.append(COMMITS, [{ commitNo, nowMs, counts, records }]);
  return { commit: { commitNo, ...counts, traces }, sources: resolved };
}

function hasReplacing({ words, length, layout }: PackedList<SpanRecord>): boolean {
  const end = length * layout.words;
  for (let at = layout.at.replaces; at < end; at += layout.words) if (words[at] === 1) return true;
  return false;
}

function* sourcesOf({ spans, logs, metrics }: Joined) {
  for (const { origins } of [...spans, ...logs, ...metrics]) for (const { source } of origins) yield source;
}

interface CommitRow {
  readonly commitNo: bigint;
  readonly nowMs: number;
  readonly counts: Pick<Commit, 'spans' | 'logs' | 'metrics'>;
  readonly records: Joined;
}

const COMMITS: AppendedTable<CommitRow> = {
  table: 'commits',
  columns: [
    ubigint(({ commitNo }) => commitNo),
    bigint(({ nowMs }) => BigInt(nowMs)),
    uinteger(({ counts }) => counts.spans),
    uinteger(({ counts }) => counts.logs),
    uinteger(({ counts }) => counts.metrics),
    ubigint(({ records }) => latest(records.spans, 'startNs')),
    ubigint(({ records }) => latest(records.logs, 'timeNs')),
    ubigint(({ records }) => latest(records.metrics, 'timeNs')),
  ],
};
