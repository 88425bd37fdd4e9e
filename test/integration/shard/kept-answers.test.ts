import { afterEach, beforeEach, expect, it } from 'vitest';
import { emptyRecords } from '../../../src/shard/store/tables.ts';
import { commentRecord, openTestStore, type TestStore } from '../../support/shard-store.ts';

let store: TestStore;
beforeEach(async () => {
  store = await openTestStore();
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
  store.advance(59_000);
  await write('second');
  store.advance(2_000);
  // Ids are forgotten once a minute.
  await expect.poll(kept, { timeout: 10_000 }).toEqual(['second']);
  expect(await store.values('SELECT count(*) FROM store.batch_ids')).toEqual([1]);
});
