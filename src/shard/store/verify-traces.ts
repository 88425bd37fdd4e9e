import type { DuckDBConnection } from '@duckdb/node-api';
import type { Hash } from '../../shared/topology/hash.ts';

interface StrayTraces {
  /** Traces, counted once per commit that has spans of them. */
  readonly traces: number;
  /** Have spans and are not in `trace_commits`: reads by trace id do not find them. */
  readonly unlisted: number;
  /** Are in `trace_commits` and have no spans. */
  readonly empty: number;
}

/** Bounds what is compared in memory at a time. */
const COMMITS_AT_A_TIME = 500n;
const TRACE_ID_BYTES = 16;

/** Compares the index of traces with the spans. Its keys are hashes that DuckDB has no function for. */
export async function strayTraces(connection: DuckDBConnection, hash: Hash): Promise<StrayTraces> {
  const bounds = await connection.runAndReadAll(`
    SELECT min(commit_no), max(commit_no)
    FROM (SELECT commit_no FROM store.spans UNION ALL SELECT commit_no FROM store.trace_commits)`);
  const [first = null, last = null] = (bounds.getRows()[0] ?? []) as (bigint | null)[];
  const stray = { traces: 0, unlisted: 0, empty: 0 };
  if (first === null || last === null) return stray;
  for (let from = first; from <= last; from += COMMITS_AT_A_TIME) {
    const within = `commit_no BETWEEN ${from} AND ${from + COMMITS_AT_A_TIME - 1n}`;
    const listed = await connection.runAndReadAll(
      `SELECT DISTINCT trace_key, commit_no FROM store.trace_commits WHERE ${within}`,
    );
    const left = new Set(listed.getRows().map(([key, commit]) => `${String(key)} ${String(commit)}`));
    const stored = await connection.runAndReadAll(
      `SELECT DISTINCT trace_id, commit_no FROM store.spans WHERE ${within}`,
    );
    for (const [traceId, commit] of stored.getRows()) {
      stray.traces += 1;
      if (!left.delete(`${hash.hash64(bytesOf(traceId as bigint))} ${String(commit)}`)) stray.unlisted += 1;
    }
    stray.empty += left.size;
  }
  return stray;
}

function bytesOf(traceId: bigint): Uint8Array {
  return Buffer.from(traceId.toString(16).padStart(2 * TRACE_ID_BYTES, '0'), 'hex');
}
