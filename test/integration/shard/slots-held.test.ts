import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSlotsHeld, type SlotsHeld } from '../../../src/shard/reads/slots-held.ts';
import { retentionStep } from '../../../src/shard/store/retention.ts';
import { DAY_MS, openTestStore, spanRecord, type TestStore } from '../../support/shard-store.ts';

const LIMITS = { maxAgeMs: 30 * DAY_MS, maxBytes: 2 ** 40, evalAgeMs: 0 };

let store: TestStore;
let slots: SlotsHeld;
/** The slot is what counts here, and not the trace id that it belongs to. */
const storeSlots = (...held: number[]) =>
  store.store({ spans: held.map(slot => spanRecord(slot, slot, { slot })) });

const retain = () =>
  store.writer.exclusively(async connection => ({
    result: await retentionStep(connection, LIMITS, store.nowMs()),
  }));

beforeEach(async () => {
  store = await openTestStore();
  slots = createSlotsHeld();
});
afterEach(() => store.remove());

/** What is seen at a commit, and which of the commits the queries went through. */
async function seenAt(asOf: bigint): Promise<{ slots: number[]; queries: string[] }> {
  const connection = await store.database.connect();
  const queries: string[] = [];
  const run = connection.run.bind(connection);
  connection.run = (sql, ...rest) => {
    queries.push(...Array.from(sql.matchAll(/commit_no = \d+|commit_no > \d+ AND .*/g), ([text]) => text));
    return run(sql, ...rest);
  };
  try {
    await run('BEGIN TRANSACTION READ ONLY');
    return { slots: [...(await slots.at({ connection, asOf }))].sort((a, b) => a - b), queries };
  } finally {
    connection.closeSync();
  }
}

it('slots held are those of the spans up to a commit, and only new commits are gone through', async () => {
  await storeSlots(7, 16_383, 7);
  expect(await seenAt(1n)).toEqual({ slots: [7, 16_383], queries: ['commit_no = 1'] });
  await storeSlots(0);
  await storeSlots(1);
  expect(await seenAt(3n)).toEqual({
    slots: [0, 1, 7, 16_383],
    queries: ['commit_no > 1 AND commit_no <= 3'],
  });
  expect((await seenAt(3n)).queries).toEqual([]);
});

it('slots held at an earlier commit leave out none', async () => {
  await storeSlots(1);
  await storeSlots(2);
  expect((await seenAt(2n)).slots).toEqual([1, 2]);
  expect((await seenAt(1n)).slots).toContain(1);
});

it('slots of deleted spans are forgotten when most of what was seen is gone', async () => {
  await storeSlots(1);
  await storeSlots(2);
  await storeSlots(3);
  expect((await seenAt(3n)).slots).toEqual([1, 2, 3]);
  store.advance(40 * DAY_MS);
  await storeSlots(4);
  await retain();
  await expect.poll(() => store.values('SELECT floor_commit::INTEGER FROM store.shard_state')).toEqual([3]);
  expect((await seenAt(4n)).slots).toEqual([4]);
});

it('slots of spans that were deleted are held for a transaction that began before', async () => {
  await storeSlots(1);
  await storeSlots(2);
  const old = await store.database.connect();
  await old.run('BEGIN TRANSACTION READ ONLY; SELECT count(*) FROM store.spans');
  store.advance(40 * DAY_MS);
  await storeSlots(3);
  await retain();
  expect((await seenAt(4n)).slots).toEqual([3]);
  expect([...(await slots.at({ connection: old, asOf: 2n }))]).toEqual([1, 2]);
  old.closeSync();
  expect((await seenAt(4n)).queries).toEqual([]);
});
