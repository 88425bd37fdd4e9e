import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postWrite } from '../../support/shard-writes.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard;
/** Before the last comment. */
let asOf: string;

beforeAll(async () => {
  shard = await startTestShard();
  for (const [id, trace, createdNs] of [
    ['c', 'one', '20'],
    ['a', 'one', '30'],
    ['b', 'two', '20'],
    ['B', 'two', '20'],
  ]) {
    await comment(`${id}`, { traceId: `${trace}`, createdNs: `${createdNs}` });
  }
  asOf = (await shard.read('comments', { limit: 0 })).trailer.asOf;
  await comment('late', { traceId: 'one', createdNs: '10' });
});
afterAll(() => shard.remove());

async function comment(id: string, { traceId, createdNs }: { traceId: string; createdNs: string }) {
  const { status } = await postWrite(shard.readUrl, 'comment', {
    id,
    traceId,
    author: 'me',
    body: '',
    createdNs,
  });
  expect(status).toBe(200);
}

const ids = async (request: object): Promise<unknown[]> => {
  const { rows } = await shard.read('comments', { limit: 100, ...request });
  return rows.map(row => row.id);
};

describe('comments', () => {
  it('come oldest first, those of one time by the bytes of their ids', async () => {
    expect(await ids({})).toEqual(['late', 'B', 'b', 'c', 'a']);
  });

  it('come newest first when asked so, in exactly the other order', async () => {
    expect(await ids({ newestFirst: true })).toEqual(['a', 'c', 'b', 'B', 'late']);
  });

  it('of some traces only', async () => {
    expect(await ids({ traceIds: ['one'] })).toEqual(['late', 'c', 'a']);
    expect(await ids({ traceIds: ['two', 'none', 'one'] })).toHaveLength(5);
    expect(await ids({ traceIds: [] })).toEqual([]);
    expect(await ids({ traceIds: ["o'ne"] })).toEqual([]);
  });

  it.each([false, true])('go on from the key that a page ended at (newest first: %s)', async newestFirst => {
    const { rows, keys } = await shard.read('comments', { limit: 100, newestFirst });
    for (const [index, startAt] of keys.entries()) {
      const page = await shard.read('comments', {
        limit: 2,
        newestFirst,
        startAt: startAt as [string, string],
      });
      expect(page.rows).toEqual(rows.slice(index, index + 2));
      expect(page.trailer).toMatchObject({ rows: page.rows.length, truncated: false });
    }
  });

  it('are those of the commit that is asked for', async () => {
    expect(await ids({ asOf })).toEqual(['B', 'b', 'c', 'a']);
  });
});
