import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchQueue } from '../../../src/ingest/queue/batch-queue.ts';
import { queueMetrics } from '../../../src/ingest/telemetry/queue-metrics.ts';
import { createTelemetry, mergeSnapshots } from '../../../src/ingest/telemetry/telemetry.ts';
import { newBatch } from '../../conformance/new-batch.ts';
import { parseMetrics, type Series, sumOf } from '../../support/metrics.ts';
import { openDataFolderQueue } from '../../support/queue-samples.ts';
import { cannotControlRedis, startRedis, type TestRedis } from '../../support/redis.ts';
import { openRedisQueue } from '../../support/redis-queue.ts';
import { temporaryFolder } from '../../support/systems.ts';

const logger = pino({ level: 'silent' });

interface Options {
  readonly timeLimitMs?: number;
  readonly maxAuditedBatches?: number;
  readonly nowMs?: () => number;
}

function reading(queue: BatchQueue, { timeLimitMs = 5000, nowMs = Date.now, ...others }: Options = {}) {
  const telemetry = createTelemetry('primary');
  telemetry.onSnapshot(
    queueMetrics({
      queue,
      shards: () => ['s0', 's1'],
      maxShardBytes: 1000,
      maxQueueBytes: 4000,
      clock: { now: nowMs },
      logger,
      timeLimitMs,
      ...others,
    }),
  );
  return async (): Promise<Series[]> =>
    parseMetrics(await mergeSnapshots([await telemetry.snapshot()]).metrics());
}

describe('figures of the queue', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let queue: BatchQueue;
  beforeEach(async () => {
    folder = await temporaryFolder();
    queue = await openDataFolderQueue(folder.path);
  });
  afterEach(async () => {
    await queue.stop();
    await folder.remove();
  });

  it('say what waits for each shard, how old it is, and what became of the rest', async () => {
    const acceptedAtMs = 1_700_000_000_000;
    const payload = Buffer.alloc(100);
    await queue.enqueue([
      newBatch('s0', { records: 3, payload, acceptedAtMs }),
      newBatch('s0', { records: 5, payload, acceptedAtMs: acceptedAtMs + 60_000, signal: 'logs' }),
      newBatch('gone', { records: 7, payload }),
    ]);
    const claim = await queue.claim('s0', 'oldest');
    if (claim === undefined) throw new Error('nothing to claim');
    await queue.deadLetter(claim, 'test');
    const series = await reading(queue, { nowMs: () => acceptedAtMs + 90_000 })();
    expect(sumOf(series, 'otelfan_queue_up')).toBe(1);
    expect(sumOf(series, 'otelfan_queue_capacity_bytes')).toBe(4000);
    expect(sumOf(series, 'otelfan_queue_risks')).toBe(0);
    expect(sumOf(series, 'otelfan_queue_batches', { shard: 's0' })).toBe(1);
    expect(sumOf(series, 'otelfan_queue_batches', { shard: 's1' })).toBe(0);
    expect(sumOf(series, 'otelfan_queue_batches', { shard: 'gone' })).toBe(1);
    expect(sumOf(series, 'otelfan_queue_bytes', { shard: 's0' })).toBe(100);
    expect(sumOf(series, 'otelcol_exporter_queue_size', { exporter: 'otelfan/s0' })).toBe(100);
    expect(sumOf(series, 'otelcol_exporter_queue_capacity', { exporter: 'otelfan/s0' })).toBe(1000);
    expect(sumOf(series, 'otelfan_dead_letters', { shard: 's0' })).toBe(1);
    expect(sumOf(series, 'otelfan_queue_oldest_age_seconds', { shard: 's1' })).toBe(0);
    const age = sumOf(series, 'otelfan_queue_oldest_age_seconds', { shard: 's0' });
    expect(age).toBe(claim.batch.signal === 'traces' ? 30 : 90);
    const records = (event: string) => sumOf(series, 'otelfan_queue_records_total', { shard: 's0', event });
    expect(records('accepted')).toBe(8);
    expect(records('dead_lettered')).toBe(claim.batch.records);
    expect(sumOf(series, 'otelfan_unaccounted_records', { shard: 's0' })).toBe(0);
    expect(series.filter(({ name }) => name === 'otelfan_unaccounted_records')).toHaveLength(9);
  });

  it('are the same however often they are read', async () => {
    await queue.enqueue([newBatch('s0', { records: 3 })]);
    const read = reading(queue);
    const first = await read();
    const ledger = (series: Series[]) =>
      series.filter(({ name }) => name.startsWith('otelfan_queue_records'));
    expect(ledger(await read())).toEqual(ledger(first));
  });

  it('leave out the count batch by batch of a shard with too many of them, which would hold up the others', async () => {
    await queue.enqueue([newBatch('s0'), newBatch('s0'), newBatch('s0'), newBatch('s1'), newBatch('s1')]);
    const audited: string[] = [];
    const watched: BatchQueue = {
      ...queue,
      audit: shard => {
        audited.push(shard);
        return queue.audit(shard);
      },
    };
    const series = await reading(watched, { maxAuditedBatches: 2 })();
    expect(audited).toEqual(['s1']);
    expect(sumOf(series, 'otelfan_unaccounted_records', { shard: 's0' })).toBeUndefined();
    expect(sumOf(series, 'otelfan_unaccounted_records', { shard: 's1' })).toBe(0);
    expect(sumOf(series, 'otelfan_queue_batches', { shard: 's0' })).toBe(3);
  });

  it('of one lane that does not answer are left out, and no others', async () => {
    await queue.enqueue([newBatch('s0'), newBatch('s1')]);
    const away = () => Promise.reject(new Error('away'));
    const series = await reading({
      ...queue,
      stats: shard => (shard === 's0' ? away() : queue.stats(shard)),
      audit: shard => (shard === 's0' ? away() : queue.audit(shard)),
    })();
    expect(sumOf(series, 'otelfan_queue_up')).toBe(0);
    for (const name of ['otelfan_queue_batches', 'otelfan_unaccounted_records']) {
      expect(sumOf(series, name, { shard: 's0' })).toBeUndefined();
      expect(sumOf(series, name, { shard: 's1' })).toBeDefined();
    }
  });

  it('tell when a ledger does not add up, as of the last look at it', async () => {
    let lost = 2;
    let audits = 0;
    const leaky: BatchQueue = {
      ...queue,
      async audit(shard) {
        audits += 1;
        const { accepted, ...rest } = await queue.audit(shard);
        return { ...rest, accepted: { ...accepted, logs: accepted.logs + lost } };
      },
    };
    let nowMs = 0;
    const read = reading(leaky, { nowMs: () => nowMs });
    const unaccounted = async () =>
      sumOf(await read(), 'otelfan_unaccounted_records', { shard: 's1', signal: 'logs' });
    expect(await unaccounted()).toBe(2);
    expect(audits).toBe(2);
    lost = 0;
    nowMs += 29_000;
    expect(await unaccounted()).toBe(2);
    expect(audits).toBe(2);
    nowMs += 1000;
    expect(await unaccounted()).toBe(0);
  });
});

describe.skipIf(cannotControlRedis !== undefined)('figures of a queue that does not answer', () => {
  let redis: TestRedis;
  let queue: BatchQueue;
  beforeEach(async () => {
    redis = await startRedis();
    queue = await openRedisQueue(redis.url);
  });
  afterEach(async () => {
    redis.resume();
    await queue.stop();
    await redis.stop();
  });

  it('are left out while Redis hangs, in bounded time, and are there again after it', async () => {
    const read = reading(queue, { timeLimitMs: 200 });
    await expect.poll(async () => sumOf(await read(), 'otelfan_queue_up')).toBe(1);

    redis.pause();
    const startMs = performance.now();
    const hung = await read();
    // Well before anything else would give up: the limit counts twice, for the figures and for the audit.
    expect(performance.now() - startMs).toBeLessThan(3000);
    expect(sumOf(hung, 'otelfan_queue_up')).toBe(0);
    expect(sumOf(hung, 'otelfan_queue_batches')).toBeUndefined();
    expect(sumOf(hung, 'otelfan_topology_version')).toBe(0);

    redis.resume();
    await expect.poll(async () => sumOf(await read(), 'otelfan_queue_up'), { timeout: 15_000 }).toBe(1);
    expect(sumOf(await read(), 'otelfan_queue_batches', { shard: 's0' })).toBe(0);
  });
});

describe.skipIf(cannotControlRedis !== undefined)('figures of a queue in Redis', () => {
  it('say by how many of its settings batches may be lost, and how full its memory is', async () => {
    const args = ['--appendonly', 'no', '--maxmemory', '20mb', '--maxmemory-policy', 'volatile-lru'];
    const redis = await startRedis({ args });
    const queue = await openRedisQueue(redis.url);
    try {
      const read = reading(queue);
      const before = await read();
      expect(sumOf(before, 'otelfan_queue_risks')).toBe(2);
      const shareBefore = sumOf(before, 'otelfan_queue_memory_ratio') ?? 0;
      expect(shareBefore).toBeGreaterThan(0);
      await queue.enqueue([newBatch('s0', { payload: Buffer.alloc(5_000_000) })]);
      await queue.unavailableReason();
      const share = sumOf(await read(), 'otelfan_queue_memory_ratio') ?? 0;
      expect(share - shareBefore).toBeGreaterThan(0.2);
      expect(share).toBeLessThan(1);
    } finally {
      await queue.stop();
      await redis.stop();
    }
  });
});
