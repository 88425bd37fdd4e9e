import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobTexts } from '../../../src/shard/search/blob-texts.ts';
import { bodySearch, matchingBodies } from '../../../src/shard/search/body-filter.ts';
import { hashKey } from '../../../src/shard/store/blobs.ts';
import { blobOf, openTestStore, type TestStore } from '../../support/shard-store.ts';
import { turnsDuring } from '../../support/turns.ts';

const PADDING = 'padding '.repeat(8000);
const BLOBS = Array.from({ length: 100 }, (_, no) => blobOf(`${PADDING}text ${no}`));
const HASHES = BLOBS.map(({ sha256 }) => sha256);

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await store.store({ blobs: BLOBS });
});
afterAll(() => store.remove());

describe('a search of many texts', () => {
  it('lets other work in between the bodies of a page', async () => {
    const connection = await store.database.connect();
    const bodies = Array.from({ length: 100 }, (_, no) => ({ body: `${PADDING}text ${no}`, sha256: null }));
    const turns = await turnsDuring(async () => {
      expect(await matchingBodies(connection, bodies, bodySearch('xt 42', 'text'))).toEqual([42]);
    });
    connection.closeSync();
    // 6.4 million characters, without a query.
    expect(turns).toBeGreaterThan(10);
  });

  it('lets other work in between the texts of blobs', async () => {
    const connection = await store.database.connect();
    const texts = blobTexts(connection, HASHES, () => 'true');
    await texts.next();
    // The query is done; what is left of its result is given out.
    let count = 1;
    const turns = await turnsDuring(async () => {
      while ((await texts.next()).done !== true) count++;
    });
    connection.closeSync();
    expect(count).toBe(BLOBS.length);
    expect(turns).toBeGreaterThan(10);
  });

  it('finds blobs by their keys, and does not go through all hashes', async () => {
    const connection = await store.database.connect();
    const [first, second] = HASHES as [string, string];
    const ofKey = (sha256: string) => `hash_key = ${hashKey(sha256)}::UHUGEINT`;
    await connection.run(`UPDATE store.blobs SET sha256 = '${second}' WHERE ${ofKey(first)}`);
    await connection.run(`DELETE FROM store.blobs WHERE ${ofKey(second)}`);
    const found = await blobTexts(connection, [second], () => 'true').next();
    connection.closeSync();
    expect(found.done).toBe(true);
  });
});
