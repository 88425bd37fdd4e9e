import type { DuckDBConnection } from '@duckdb/node-api';
import type { Position } from '../store/commit.ts';
import { isSnapshotGone, type RetainedTable } from '../store/floors.ts';
import type { ReadCall, SnapshotCall } from './call.ts';
import { RowsMovedError } from './landmarks.ts';
import { query } from './query.ts';

export type Snapshot =
  | { readonly kind: 'taken'; readonly asOf: bigint }
  | { readonly kind: 'gone'; readonly reason: string };

/**
 * The commit to read at. One that a caller has from an earlier read is gone when rows that it showed have been deleted
 * since, as far as one of the calls could see them. Begins the transaction of the reads, or has their first statement
 * begin it; it ends with the connection.
 * @param position how far the writer has come; `undefined` when the last commit has to be asked for. That first
 *   statement rejects with {@link RowsMovedError} when rows may have been deleted since
 */
export async function beginSnapshot(
  connection: DuckDBConnection,
  { asOf, calls }: SnapshotCall,
  position: () => Position | undefined,
): Promise<Snapshot> {
  const at = asOf === undefined ? position() : undefined;
  if (at !== undefined) {
    beginWithFirst(connection, () => {
      // What was deleted before the transaction began is missing although it belongs to the commit.
      if (position()?.floorNo !== at.floorNo)
        throw new RowsMovedError('rows may have been deleted meanwhile');
    });
    return { kind: 'taken', asOf: at.commitNo };
  }
  // As `store.shard_state` has it. DuckDB knows the greatest value of a column, and takes longer to plan a view.
  const state = await query(
    connection,
    `${BEGIN}; SELECT coalesce(max(commit_no), 0)::UBIGINT FROM store.commits`,
  );
  const [row] = state.rows();
  const lastCommit = row?.[0] as bigint;
  if (asOf === undefined) return { kind: 'taken', asOf: lastCommit };
  if (asOf > lastCommit) {
    return { kind: 'gone', reason: `the shard is at commit ${lastCommit}; it has no commit ${asOf}` };
  }
  for (const call of calls) {
    const fromNs = seenFrom(call);
    for (const table of tablesOf(call)) {
      if (await isSnapshotGone(connection, { table, asOf, fromNs })) {
        return { kind: 'gone', reason: `retention has deleted records since commit ${asOf} was read` };
      }
    }
  }
  return { kind: 'taken', asOf };
}

/**
 * Has the first statement begin the transaction: in one trip to another thread where it is run, in one more where it is
 * prepared, as only one statement can be. Reads ask by `run` and `prepare` alone, one statement after the other.
 * @param begun is called once it is settled what the transaction sees
 */
function beginWithFirst(connection: DuckDBConnection, begun: () => void): void {
  const run = connection.run.bind(connection);
  const prepare = connection.prepare.bind(connection);
  connection.run = async (sql, ...parameters) => {
    Object.assign(connection, { run, prepare });
    const result = await run(`${BEGIN}; ${sql}`, ...parameters);
    begun();
    return result;
  };
  connection.prepare = async sql => {
    Object.assign(connection, { run, prepare });
    await run(BEGIN);
    const prepared = await prepare(sql);
    begun();
    return prepared;
  };
}

const BEGIN = 'BEGIN TRANSACTION READ ONLY';

/** The time of the earliest records that can make a difference to an answer. */
function seenFrom({ name, request }: ReadCall): bigint {
  // The text may be in spans of the trace that are earlier than those that are shown.
  if (name === 'spans' && request.text !== undefined) return 0n;
  return 'fromNs' in request ? BigInt(request.fromNs ?? 0) : 0n;
}

function tablesOf(call: ReadCall): readonly RetainedTable[] {
  switch (call.name) {
    case 'logs':
    case 'metrics':
    case 'comments':
      return [call.name];
    case 'groupCounts':
      return [call.request.of];
    case 'holdings':
      return ['spans', 'logs', 'metrics', 'comments'];
    case 'spans':
    case 'trace':
    case 'services':
    case 'spanTotals':
    case 'spanSlots':
    case 'traceIds':
    case 'traceTerms':
    case 'durationBuckets':
    case 'durationValues':
      return ['spans'];
  }
}
