import { createHash } from 'node:crypto';
import { type DuckDBBlobValue, UHUGEINT, VARCHAR } from '@duckdb/node-api';
import type { Database } from './database.ts';

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * The first half of the hash as a number, which blobs are looked for by: to go through a million numbers takes a few
 * milliseconds, through a million texts a hundred. Two texts that share it are as hard to find as two that share a
 * hash of 128 bits.
 */
export function hashKey(sha256: string): bigint {
  return BigInt(`0x${sha256.slice(0, 32)}`);
}

/** The bytes of a blob of any origin; `undefined` when the shard does not have it. */
export async function readBlob(database: Database, sha256: string): Promise<Uint8Array | undefined> {
  const connection = await database.connect();
  try {
    const result = await connection.runAndReadAll(
      'SELECT content FROM store.blobs WHERE hash_key = $1 AND sha256 = $2',
      [hashKey(sha256), sha256],
      [UHUGEINT, VARCHAR],
    );
    const [row] = result.getRows();
    return row === undefined ? undefined : (row[0] as DuckDBBlobValue).bytes;
  } finally {
    connection.closeSync();
  }
}
