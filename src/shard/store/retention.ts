import type { DuckDBConnection } from '@duckdb/node-api';
import { addFloor } from './floors.ts';
import { storeSize } from './store-size.ts';
import { inTransaction } from './transaction.ts';

export interface RetentionLimits {
  /** Since the commit that stored a record. */
  readonly maxAgeMs: number;
  /** Of the blocks that hold records and what goes with them; see {@link lastingBytes} for what does not count. */
  readonly maxBytes: number;
  /** Comments are kept at least so long: people wrote them, and they are few. */
  readonly evalAgeMs: number;
}

export interface RetentionStep {
  readonly commits: number;
  readonly rows: number;
}

/** Keep a step to some tens of milliseconds, for which ingest waits. */
const MAX_STEP_COMMITS = 2000;
const MAX_STEP_ROWS = 200_000;
const NANOS_PER_MS = 1_000_000n;

interface CommitRows {
  readonly commitNo: bigint;
  readonly storedAtMs: number;
  readonly rows: number;
}

/**
 * Deletes the oldest commits that a limit is passed by, whole, in one transaction; not all of them when they are
 * many, so call it until it finds none. What is deleted: their rows, words and traces' whereabouts, the blobs that
 * no later commit named and that are not pinned, and comments that are past the eval retention as well.
 */
export async function retentionStep(
  connection: DuckDBConnection,
  limits: RetentionLimits,
  nowMs: number,
): Promise<RetentionStep> {
  const oldest = await oldestCommits(connection);
  const excessRows = await rowsOverSize(connection, limits.maxBytes, nowMs);
  let rows = 0;
  let commits = 0;
  for (const commit of oldest) {
    const isTooOld = commit.storedAtMs <= nowMs - limits.maxAgeMs;
    if (!isTooOld && rows >= excessRows) break;
    if (commits > 0 && rows + commit.rows > MAX_STEP_ROWS) break;
    rows += commit.rows;
    commits += 1;
  }
  const last = oldest[commits - 1];
  if (last === undefined) return { commits: 0, rows: 0 };
  await inTransaction(connection, () =>
    deleteThrough(connection, { floor: last.commitNo, nowMs, evalAgeMs: limits.evalAgeMs }),
  );
  return { commits, rows };
}

async function oldestCommits(connection: DuckDBConnection): Promise<CommitRows[]> {
  const result = await connection.runAndReadAll(
    `SELECT commit_no, stored_at_ms, (spans + logs + metrics)::INTEGER FROM store.commits
     ORDER BY commit_no LIMIT ${MAX_STEP_COMMITS}`,
  );
  return (result.getRows() as [bigint, bigint, number][]).map(([commitNo, storedAtMs, rows]) => ({
    commitNo,
    storedAtMs: Number(storedAtMs),
    rows,
  }));
}

/** How many rows of average size to delete for the data to fit. */
async function rowsOverSize(connection: DuckDBConnection, maxBytes: number, nowMs: number): Promise<number> {
  const { liveBytes, liveRows } = await storeSize(connection);
  if (liveBytes <= maxBytes) return 0;
  const deletableBytes = liveBytes - (await lastingBytes(connection, nowMs));
  if (deletableBytes <= maxBytes) return 0;
  return Math.ceil((liveRows * (deletableBytes - maxBytes)) / deletableBytes);
}

/** What an id of 128 bits and its time take; ids are random and do not compress. */
const ID_BYTES = 20;
/** Of an answer besides its text. */
const ANSWER_BYTES = 120;
/** Of a comment besides its texts. */
const COMMENT_BYTES = 100;

/**
 * Bytes of what stays when records are deleted, and so must not cost any: ids that repeats are recognised by and the
 * answers kept with them, pinned blobs, and comments. Words and blobs go with the last commit that has them, sources
 * with the last record (within the hour), so they count with the records.
 */
async function lastingBytes(connection: DuckDBConnection, nowMs: number): Promise<number> {
  const result = await connection.runAndReadAll(`
    SELECT
      (SELECT count(*) FROM store.batch_ids) * ${ID_BYTES}
      + (SELECT count(*) FROM store.export_ids) * ${ID_BYTES}
      + (SELECT coalesce(sum(strlen(answer) + ${ANSWER_BYTES}), 0) FROM store.kept_answers)
      + (SELECT coalesce(sum(size_bytes), 0) FROM store.blobs WHERE pinned_until_ms > ${nowMs})
      + (SELECT coalesce(sum(strlen(body) + strlen(author) + ${COMMENT_BYTES}), 0) FROM store.comments)`);
  return Number(result.getRows()[0]?.[0]);
}

interface Deletion {
  /** The last commit to delete. */
  readonly floor: bigint;
  readonly nowMs: number;
  readonly evalAgeMs: number;
}

const TABLES_OF_COMMITS = ['spans', 'trace_commits', 'logs', 'metrics', 'span_words', 'log_words'] as const;

async function deleteThrough(
  connection: DuckDBConnection,
  { floor, nowMs, evalAgeMs }: Deletion,
): Promise<void> {
  const commentsBeforeNs = BigInt(Math.max(0, nowMs - evalAgeMs)) * NANOS_PER_MS;
  await addFloor(connection, { floor, nowMs, commentsBeforeNs });
  for (const table of [...TABLES_OF_COMMITS, 'commits']) {
    await connection.run(`DELETE FROM store.${table} WHERE commit_no <= ${floor}`);
  }
  await connection.run(
    `DELETE FROM store.comments WHERE commit_no <= ${floor} AND created_ns < ${commentsBeforeNs}`,
  );
  await connection.run(
    `DELETE FROM store.blobs WHERE last_commit <= ${floor} AND coalesce(pinned_until_ms, 0) <= ${nowMs}`,
  );
}
