import { createHash } from 'node:crypto';
import { type DuckDBBlobValue, VARCHAR } from '@duckdb/node-api';
import type { Database } from './database.ts';

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The bytes of a blob of any origin; `undefined` when the shard does not have it. */
export async function readBlob(database: Database, sha256: string): Promise<Uint8Array | undefined> {
  const connection = await database.connect();
  try {
    const result = await connection.runAndReadAll(
      'SELECT content FROM store.blobs WHERE sha256 = $1 LIMIT 1',
      [sha256],
      [VARCHAR],
    );
    const [row] = result.getRows();
    return row === undefined ? undefined : (row[0] as DuckDBBlobValue).bytes;
  } finally {
    connection.closeSync();
  }
}
