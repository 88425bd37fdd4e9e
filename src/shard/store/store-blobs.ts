import { BIGINT, blobValue, type DuckDBConnection, LIST, listValue, VARCHAR } from '@duckdb/node-api';
import { appendRows } from './append.ts';
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
  const known = await connection.runAndReadAll(
    'SELECT sha256 FROM store.blobs WHERE sha256 IN (SELECT unnest($hashes))',
    { hashes: listValue(distinct.map(({ sha256 }) => sha256)) },
    { hashes: LIST(VARCHAR) },
  );
  const knownHashes = new Set(known.getRows().map(([sha256]) => sha256 as string));
  const [named, added] = [true, false].map(isKnown =>
    distinct.filter(({ sha256 }) => knownHashes.has(sha256) === isKnown),
  ) as [Blob[], Blob[]];
  await nameAgain(connection, named, commitNo);
  await appendRows(
    connection,
    {
      table: 'blobs',
      columns: [
        (blob: Blob) => blob.sha256,
        (blob: Blob) => blobValue(blob.content),
        () => commitNo,
        (blob: Blob) => pinOf(blob),
      ],
    },
    added,
  );
}

async function nameAgain(
  connection: DuckDBConnection,
  blobs: readonly Blob[],
  commitNo: bigint,
): Promise<void> {
  if (blobs.length === 0) return;
  await connection.run(
    `UPDATE store.blobs SET
       last_commit = ${commitNo},
       pinned_until_ms = greatest(blobs.pinned_until_ms, named.pinned_until_ms)
     FROM (SELECT unnest($hashes) AS sha256, unnest($pins) AS pinned_until_ms) AS named
     WHERE blobs.sha256 = named.sha256`,
    {
      hashes: listValue(blobs.map(({ sha256 }) => sha256)),
      pins: listValue(blobs.map(pinOf)),
    },
    { hashes: LIST(VARCHAR), pins: LIST(BIGINT) },
  );
}

function pinOf({ pinnedUntilMs }: Blob): bigint | null {
  return pinnedUntilMs === null ? null : BigInt(pinnedUntilMs);
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
