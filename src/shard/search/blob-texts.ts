import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DuckDBBlobValue, DuckDBConnection } from '@duckdb/node-api';
import { query } from '../reads/query.ts';
import { createParameters, type Parameters } from '../reads/where.ts';
import { hashKey } from '../store/blobs.ts';

/** Each look-up goes through the keys of all blobs, so it is for many. */
const HASHES_AT_ONCE = 2000;
/** Texts in memory at once, unless one alone is larger. */
const MAX_BYTES_AT_ONCE = 16 * 1024 * 1024;

/** What is given out before other work gets a turn. */
const CHARS_PER_TURN = 256 * 1024;

/** A text that is kept as a blob. */
export interface BlobText {
  readonly sha256: string;
  readonly text: string;
}

/** An SQL condition on the text that an SQL expression gives. */
export type TextCondition = (textSql: string, parameters: Parameters) => string;

/** The texts of those of the blobs that meet the condition, in any order. Lets other work in between. */
export async function* blobTexts(
  connection: DuckDBConnection,
  hashes: Iterable<string>,
  condition: TextCondition,
): AsyncGenerator<BlobText> {
  for (const some of chunks([...new Set(hashes)])) {
    const parameters = createParameters();
    const sizes = await query(
      connection,
      `SELECT sha256, size_bytes FROM store.blobs WHERE hash_key IN ${keysOf(some, parameters)}`,
      parameters,
    );
    for (const group of groupsOf(sizes.rows() as Iterable<[string, number]>)) {
      yield* textsOf(connection, group, condition);
    }
  }
}

async function* textsOf(
  connection: DuckDBConnection,
  hashes: readonly string[],
  condition: TextCondition,
): AsyncGenerator<BlobText> {
  const parameters = createParameters();
  // In one step DuckDB would look into every blob first and at the hashes afterwards.
  const result = await query(
    connection,
    `WITH wanted AS MATERIALIZED (
       SELECT sha256, content FROM store.blobs WHERE hash_key IN ${keysOf(hashes, parameters)}
     )
     SELECT sha256, content FROM wanted WHERE ${condition('decode(content)', parameters)}`,
    parameters,
  );
  let chars = 0;
  for (const [sha256, content] of result.rows() as Iterable<[string, DuckDBBlobValue]>) {
    const text = Buffer.from(content.bytes).toString();
    yield { sha256, text };
    chars += text.length;
    if (chars < CHARS_PER_TURN) continue;
    chars = 0;
    await nextTurn();
  }
}

function keysOf(hashes: readonly string[], parameters: Parameters): string {
  return parameters.hugeNumbers(hashes.map(hashKey));
}

function* chunks(hashes: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < hashes.length; at += HASHES_AT_ONCE) yield hashes.slice(at, at + HASHES_AT_ONCE);
}

function* groupsOf(sizes: Iterable<readonly [string, number]>): Generator<string[]> {
  let group: string[] = [];
  let groupBytes = 0;
  for (const [sha256, sizeBytes] of sizes) {
    if (group.length > 0 && groupBytes + sizeBytes > MAX_BYTES_AT_ONCE) {
      yield group;
      group = [];
      groupBytes = 0;
    }
    group.push(sha256);
    groupBytes += sizeBytes;
  }
  if (group.length > 0) yield group;
}
