import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseRead } from '../../../src/shard/reads/call.ts';
import type { ShardReadName } from '../../../src/shared/read/contract.ts';
import { parseRowLine, parseTrailer } from '../../../src/shared/read/ndjson.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { openReader, type ReadTestShard } from '../../support/read-shards.ts';

const MIB = 1024 * 1024;
const ROWS = 12_000;
/** A thousand rows of 8 KiB are read at once; every thousandth row here is far larger. */
const TEXT = `repeat(chr((97 + i % 26)::INTEGER), CASE WHEN i % 1000 = 7 THEN ${2 * MIB} ELSE 7000 END)`;
const textBytes = (i: number) => (i % 1000 === 7 ? 2 * MIB : 7000);
const TRACE = '0'.repeat(31).concat('1');

let shard: ReadTestShard;
beforeAll(async () => {
  const key = (await createHash()).hash64(Buffer.from(TRACE, 'hex'));
  const fill = [
    `INSERT INTO store.sources VALUES (1, '{}', '{}');
     INSERT INTO store.trace_commits VALUES (${key}, 1, true);
     INSERT INTO store.commits VALUES (1, 0, ${ROWS}, ${ROWS}, ${ROWS}, ${ROWS}, ${ROWS}, ${ROWS})`,
  ];
  for (let from = 0; from < ROWS; from += 500) {
    const some = `FROM range(${from}, ${from + 500}) t(i)`;
    const long = `'{"k":"' || ${TEXT} || '"}'`;
    fill.push(`
      INSERT INTO store.spans
      SELECT 1, 0, i + 1, 0, 'shop', 'op', ${ROWS} - i, i, 'unset', 'internal', ${long}, NULL, NULL, NULL, 1, 1, NULL ${some};
      INSERT INTO store.logs
      SELECT ${ROWS} - i, 0, 0, 0, 'info', '', ${TEXT}, NULL, 'shop', '{}', NULL, 1, i, 1 ${some};
      INSERT INTO store.metrics
      SELECT ${ROWS} - i, 'shop', 'm', 'gauge', 1, '', ${long}, NULL, 1, i, 1 ${some};
      INSERT INTO store.comments SELECT i, '1', NULL, 'ann', ${TEXT}, ${ROWS} - i, 1 ${some};
      CHECKPOINT`);
  }
  // Less than the texts of any of the tables take.
  shard = await openReader({ memoryLimitBytes: 96 * MIB, fill });
});
afterAll(() => shard.remove());

interface Shown {
  readonly attributes?: { readonly k: string };
  readonly body?: string;
}

/** The numbers and sizes of the rows, whose times go down with their numbers. */
async function rowsOf(name: ShardReadName, request: object): Promise<readonly (readonly [number, number])[]> {
  const call = parseRead(name, request);
  if (call.kind === 'refused') throw new Error(call.message);
  const answer = await shard.reader.read(call.value, new AbortController().signal);
  if (answer.kind === 'gone') throw new Error(answer.reason);
  const rows: (readonly [number, number])[] = [];
  for (const line of answer.lines) {
    const trailer = parseTrailer(line.trimEnd());
    if (trailer !== undefined) {
      expect(trailer).toEqual({ rows: rows.length, asOf: '1', truncated: false });
      return rows;
    }
    const { key, rowJson } = parseRowLine(line.trimEnd());
    const { attributes, body } = JSON.parse(rowJson) as Shown;
    rows.push([ROWS - Number(key[0]), (attributes?.k ?? body ?? '').length]);
  }
  throw new Error('no trailer');
}

const NEWEST = Array.from({ length: ROWS }, (_, i) => [i, textBytes(i)]);
const OLDEST = NEWEST.toReversed();

describe('rows that together are larger than the memory of DuckDB', () => {
  it.each<[ShardReadName, object, typeof NEWEST]>([
    ['spans', { limit: 100_000 }, NEWEST],
    ['logs', { limit: 100_000 }, NEWEST],
    ['logs', { limit: 100_000, bodyContains: 'aaaa' }, NEWEST.filter(([i]) => (i as number) % 26 === 0)],
    ['metrics', { limit: 100_000, oldestFirst: true }, OLDEST],
    ['trace', { traceId: TRACE }, OLDEST],
    ['comments', { limit: 100_000 }, OLDEST],
  ])('are read whole and in their order: %s %o', async (name, request, expected) => {
    expect(await rowsOf(name, request)).toEqual(expected);
  });
});
