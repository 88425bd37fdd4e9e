import { afterEach, beforeEach, expect, it } from 'vitest';
import { emptyRecords } from '../../../src/shard/store/tables.ts';
import { commentRecord, openTestStore, type TestStore } from '../../support/shard-store.ts';

/** Far above the minute that may pass until ids are forgotten. */
const BATCH_MEMORY_MS = 600_000;

let store: TestStore;
beforeEach(async () => {
  store = await openTestStore({ batchMemoryMs: BATCH_MEMORY_MS });
});
afterEach(() => store.remove());

async function write(id: string): Promise<void> {
  const records = { ...emptyRecords(), comments: [commentRecord(id, store.nowMs())] };
  const slices = [{ exportId: undefined, records }];
  await store.writer.write({ id, slices, answer: { fingerprint: 'f', answer: `answer to ${id}` } });
}

const kept = () => store.values('SELECT id FROM store.kept_answers ORDER BY id');

it('the answer to a batch is kept once, and as long as its id', async () => {
  await write('first');
  await write('first');
  expect(await kept()).toEqual(['first']);
  store.advance(BATCH_MEMORY_MS / 2);
  await write('second');
  store.advance(BATCH_MEMORY_MS / 2);
  await expect.poll(kept, { timeout: 10_000 }).toEqual(['second']);
  expect(await store.values('SELECT count(*) FROM store.batch_ids')).toEqual([1]);
});
