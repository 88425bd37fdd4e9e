import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RetentionStep, retentionStep } from '../../../src/shard/store/retention.ts';
import { DAY_MS, logRecord, openTestStore, type TestStore } from '../../support/shard-store.ts';

const MOST_BYTES = 4_000_000;

let store: TestStore;
beforeEach(async () => {
  store = await openTestStore();
  await store.store({ logs: [logRecord('old')] });
  await store.store({ logs: [logRecord('new')] });
});
afterEach(() => store.remove());

function step(): Promise<RetentionStep> {
  const limits = { maxAgeMs: 30 * DAY_MS, maxBytes: MOST_BYTES, evalAgeMs: 365 * DAY_MS };
  return store.writer.exclusively(async connection => {
    await connection.run('CHECKPOINT');
    return { result: await retentionStep(connection, limits, store.nowMs()) };
  });
}

/** Stores what takes more than a shard's records may. */
async function fill(sql: string): Promise<void> {
  await store.writer.exclusively(async connection => {
    await connection.run(sql);
    await connection.run('CHECKPOINT');
    return { result: undefined };
  });
  const [usedBytes] = await store.values('SELECT used_blocks * block_size FROM pragma_database_size()');
  expect(usedBytes).toBeGreaterThan(MOST_BYTES);
}

const RANDOM_ID = '(random() * 1e18)::UHUGEINT * 18446744073709551616 + (random() * 1e18)::UHUGEINT';

describe('the size of the data of a shard', () => {
  it.each(['batch_ids', 'export_ids'])('leaves out what deleting records would not free: %s', async table => {
    await fill(`INSERT INTO store.${table} SELECT ${RANDOM_ID}, ${store.nowMs()} FROM range(500000)`);
    expect(await step()).toEqual({ commits: 0, rows: 0 });
  });

  it('leaves out comments, which outlive their records', async () => {
    const text = "(SELECT string_agg(md5(random()::VARCHAR || i || j), '') FROM range(2000) u(j))";
    const nowNs = BigInt(store.nowMs()) * 1_000_000n;
    await fill(
      `INSERT INTO store.comments SELECT i, 't', NULL, 'ann', ${text}, ${nowNs}, 1 FROM range(150) t(i)`,
    );
    expect(await step()).toEqual({ commits: 0, rows: 0 });
  });

  it('leaves out the answers that are kept with ids', async () => {
    const text = "(SELECT string_agg(md5(random()::VARCHAR || i || j), '') FROM range(2000) u(j))";
    await fill(
      `INSERT INTO store.kept_answers SELECT i, 'f', ${text}, ${store.nowMs()} FROM range(150) t(i)`,
    );
    expect(await step()).toEqual({ commits: 0, rows: 0 });
  });

  it('has the words of records in it, which go with them', async () => {
    const word = 'md5(random()::VARCHAR || i)';
    await fill(`INSERT INTO store.log_words SELECT ${word}, 1 FROM range(300000) t(i)`);
    expect((await step()).rows).toBeGreaterThan(0);
    expect(await store.count('log_words')).toBe(0);
  });
});
