import { BIGINT, type DuckDBConnection, LIST, listValue, UHUGEINT } from '@duckdb/node-api';
import type { AppendedTable, Appender } from './append.ts';
import { hashKey } from './blobs.ts';
import { bigint, blob, ubigint, uhugeint, uinteger, varchar } from './columns.ts';
import type { Blob } from './tables.ts';

/**
 * Stores blobs in the running transaction. One that is there stays, and counts as named by this commit, so that it
 * outlives the rows that named it before; a pin is only ever extended.
 */
export async function storeBlobs(
  { connection, appender }: { readonly connection: DuckDBConnection; readonly appender: Appender },
  blobs: readonly Blob[],
  commitNo: bigint,
): Promise<void> {
  const distinct = distinctBlobs(blobs);
  if (distinct.length === 0) return;
  const known = await knownKeys(connection, distinct);
  const isKnown = ({ sha256 }: Blob) => known.has(hashKey(sha256));
  await nameAgain(connection, distinct.filter(isKnown), commitNo);
  for (const some of groupsOf(distinct.filter(blob => !isKnown(blob)))) {
    await appender.append(blobsTable(commitNo), some);
  }
}

/** What is appended at once, unless one alone is larger: several copies of it are made on the way. */
const MAX_BYTES_AT_ONCE = 8 * 1024 * 1024;

function* groupsOf(blobs: readonly Blob[]): Generator<readonly Blob[]> {
  let start = 0;
  let groupBytes = 0;
  for (const [index, { content }] of blobs.entries()) {
    if (index > start && groupBytes + content.length > MAX_BYTES_AT_ONCE) {
      yield blobs.slice(start, index);
      start = index;
      groupBytes = 0;
    }
    groupBytes += content.length;
  }
  yield blobs.slice(start);
}

function blobsTable(commitNo: bigint): AppendedTable<Blob> {
  return {
    table: 'blobs',
    columns: [
      uhugeint(({ sha256 }) => hashKey(sha256)),
      varchar(({ sha256 }) => sha256),
      blob(({ content }) => content),
      uinteger(({ content }) => content.length),
      ubigint(() => commitNo),
      bigint(pinOf),
    ],
  };
}

async function knownKeys(connection: DuckDBConnection, blobs: readonly Blob[]): Promise<ReadonlySet<bigint>> {
  const known = await connection.runAndReadAll(
    'SELECT hash_key FROM store.blobs WHERE hash_key IN (SELECT unnest($keys))',
    { keys: listValue(blobs.map(({ sha256 }) => hashKey(sha256))) },
    { keys: LIST(UHUGEINT) },
  );
  return new Set(known.getRows().map(([key]) => key as bigint));
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
     FROM (SELECT unnest($keys) AS hash_key, unnest($pins) AS pinned_until_ms) AS named
     WHERE blobs.hash_key = named.hash_key`,
    {
      keys: listValue(blobs.map(({ sha256 }) => hashKey(sha256))),
      pins: listValue(blobs.map(pinOf)),
    },
    { keys: LIST(UHUGEINT), pins: LIST(BIGINT) },
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
