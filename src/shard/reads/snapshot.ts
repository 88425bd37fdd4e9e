import type { DuckDBConnection } from '@duckdb/node-api';
import type { ReadCall, SnapshotCall } from './call.ts';
import { query } from './read.ts';

export type Snapshot =
  | { readonly kind: 'taken'; readonly asOf: bigint }
  | { readonly kind: 'gone'; readonly reason: string };

/**
 * The commit to read at. One that a caller has from an earlier read is gone when rows that it showed have been deleted
 * since, as far as one of the calls could see them. To be taken in the transaction of the reads.
 */
export async function takeSnapshot(
  connection: DuckDBConnection,
  { asOf, calls }: SnapshotCall,
): Promise<Snapshot> {
  const state = await query(connection, 'SELECT last_commit FROM store.shard_state');
  const [row] = state.rows();
  const lastCommit = row?.[0] as bigint;
  if (asOf === undefined) return { kind: 'taken', asOf: lastCommit };
  if (asOf > lastCommit) {
    return { kind: 'gone', reason: `the shard is at commit ${lastCommit}; it has no commit ${asOf}` };
  }
  const deleted = calls.map(call => sawDeleted(call, asOf)).join(' OR ');
  const floors = await query(connection, `SELECT 1 WHERE ${deleted}`);
  if (floors.count === 0) return { kind: 'taken', asOf };
  return {
    kind: 'gone',
    reason: `retention has deleted records of commit ${asOf} or before since it was read`,
  };
}

/** `store.floors` has when rows were deleted and how young they were, by what a call reads. */
function sawDeleted(call: ReadCall, asOf: bigint): string {
  const fromNs = 'fromNs' in call.request ? BigInt(call.request.fromNs ?? 0) : 0n;
  const isSeen = tablesOf(call).map(table => `${table}_to_ns >= ${fromNs}`);
  return `EXISTS (FROM store.floors WHERE set_by_commit > ${asOf} AND (${isSeen.join(' OR ')}))`;
}

function tablesOf(call: ReadCall): readonly string[] {
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
    case 'traceIds':
    case 'durationBuckets':
    case 'durationValues':
      return ['spans'];
  }
}
