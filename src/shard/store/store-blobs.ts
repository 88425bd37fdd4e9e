import { BIGINT, BLOB, blobValue, type DuckDBConnection, LIST, listValue, VARCHAR } from '@duckdb/node-api';
import type { Blob } from './tables.ts';

/**
 * Stores blobs in the running transaction. One that is there stays, and counts as named by this commit, so that it
 * outlives the rows that named it before; a pin is only ever extended.
 */
export async function storeBlobs(
  connection: DuckDBConnection,
  blobs: readonly Blob[],
  commitNo: bigint,
): Promise<void> {
  const distinct = distinctBlobs(blobs);
  if (distinct.length === 0) return;
  await connection.run(
    `INSERT INTO store.blobs
     SELECT unnest($hashes), unnest($contents), ${commitNo}, unnest($pins)
     ON CONFLICT (sha256) DO UPDATE SET
       last_commit = excluded.last_commit,
       pinned_until_ms = greatest(blobs.pinned_until_ms, excluded.pinned_until_ms)`,
    {
      hashes: listValue(distinct.map(({ sha256 }) => sha256)),
      contents: listValue(distinct.map(({ content }) => blobValue(content))),
      pins: listValue(
        distinct.map(({ pinnedUntilMs }) => (pinnedUntilMs === null ? null : BigInt(pinnedUntilMs))),
      ),
    },
    { hashes: LIST(VARCHAR), contents: LIST(BLOB), pins: LIST(BIGINT) },
  );
}

/** Each hash once, as a hash twice in one statement would be in its own way; pinned by the longest pin. */
function distinctBlobs(blobs: readonly Blob[]): Blob[] {
  const distinct = new Map<string, Blob>();
  for (const blob of blobs) {
    const pinnedUntilMs = laterOf(distinct.get(blob.sha256)?.pinnedUntilMs ?? null, blob.pinnedUntilMs);
    distinct.set(blob.sha256, { ...blob, pinnedUntilMs });
  }
  return [...distinct.values()];
}

function laterOf(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.max(one, other);
}
