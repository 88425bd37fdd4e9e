import { afterEach, describe, expect, it } from 'vitest';
import type { ShardOptions } from '../../../src/shard/create-shard.ts';
import { scrape, sumOf } from '../../support/metrics.ts';
import { tracesOf } from '../../support/otlp-samples.ts';
import { openTestStore, type TestStore } from '../../support/shard-store.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard | undefined;
let store: TestStore | undefined;
afterEach(async () => {
  await shard?.remove();
  await store?.remove();
  shard = undefined;
  store = undefined;
});

async function metricsWith(options: Partial<ShardOptions> = {}) {
  const started = await startTestShard(options);
  shard = started;
  return async (name: string) => sumOf(await scrape(started.readUrl), `otelfan_shard_${name}`);
}

describe('the metrics of a shard', () => {
  it('say that it takes writes, what its files take, and when retention was last through', async () => {
    const metric = await metricsWith({ minFreeBytes: 4096, checkpointBytes: 1_000_000 });
    const before = (await metric('wal_bytes')) ?? 0;
    expect((await shard?.send('traces', tracesOf('shop', [{ trace: 1, span: 1 }])))?.status).toBe(200);
    expect(await metric('wal_bytes')).toBeGreaterThan(before);
    expect(await metric('database_bytes')).toBeGreaterThan(0);
    expect(await metric('writable')).toBe(1);
    expect(await metric('disk_reserve_bytes')).toBe(4096);
    expect(await metric('disk_free_bytes')).toBeGreaterThan(4096);
    expect(await metric('checkpoint_bytes')).toBe(1_000_000);
    expect(await metric('maintenance_failures_total')).toBe(0);
    shard?.advance(3_600_000);
    await expect.poll(() => metric('retention_timestamp_seconds')).toBe(1_700_003_600);
  });

  it('say that it takes no writes while the disk has no room', async () => {
    const metric = await metricsWith({ minFreeBytes: 2 ** 50 });
    expect(await metric('writable')).toBe(0);
    expect(await metric('disk_free_bytes')).toBeLessThan(2 ** 50);
  });
});

describe('maintenance that fails', () => {
  it('is counted, and retention does not count as done', async () => {
    store = await openTestStore();
    const { maintenance, writer } = store;
    const before = maintenance.retainedAtMs();
    await writer.exclusively(async connection => {
      await connection.run('DROP TABLE store.batch_ids');
      return { result: undefined };
    });
    store.advance(60_000);
    await expect.poll(maintenance.failedRounds).toBeGreaterThan(0);
    expect(maintenance.retainedAtMs()).toBe(before);
  });
});
