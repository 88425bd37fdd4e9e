import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createBullmqQueue } from '../../src/ingest/queue/bullmq-queue.ts';
import { laneKeys, laneName } from '../../src/ingest/queue/redis-keys.ts';
import { systemClock } from '../../src/shared/time.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { expectConserved } from '../support/conservation.ts';
import { cannotControlRedis, startRedis, type TestRedis, uniqueName } from '../support/redis.ts';

const LEASE_MS = 200;

describe('a lane whose BullMQ queue somebody meddles with', () => {
  let redis: TestRedis;
  let client: Redis;
  let shard: string;
  let queue: BatchQueue;
  /** BullMQ itself, as a tool of somebody else would use it. */
  let plain: Queue;

  beforeAll(async () => {
    redis = await startRedis();
    client = new Redis(redis.url, { maxRetriesPerRequest: null });
  });

  afterAll(async () => {
    client.disconnect();
    await redis.stop();
  });

  beforeEach(async () => {
    shard = uniqueName('s');
    queue = await createBullmqQueue({
      url: redis.url,
      shards: [shard],
      leaseMs: LEASE_MS,
      clock: systemClock,
      logger: pino({ level: 'silent' }),
    });
    plain = new Queue(laneName(shard), { connection: client, prefix: 'otelfan' });
  });

  afterEach(async () => {
    await plain.close();
    await expectConserved(queue).finally(() => queue.stop());
  });

  it('hands out what a replica that is gone had, also when the clock of Redis was set back', async () => {
    const batch = newBatch(shard);
    await queue.enqueue([batch]);
    expect((await queue.claim(shard, 'oldest'))?.batch.id).toBe(batch.id);
    // To Redis, which ends keys at a time of day, an hour less is an hour more to live.
    for (const name of [`${batch.id}:lock`, 'stalled-check']) {
      const key = plain.toKey(name);
      await expect.poll(() => client.pexpire(key, 3_600_000, 'XX'), { interval: 1 }).toBe(1);
    }
    const claimedId = async () => (await queue.claim(shard, 'oldest'))?.batch.id;
    await expect.poll(claimedId, { timeout: 5000 }).toBe(batch.id);
  });

  it('adopts a failed job as a dead letter with what BullMQ says of it, which a replay delivers', async () => {
    const batch = newBatch(shard, { records: 3 });
    await queue.enqueue([batch]);
    const worker = new Worker(laneName(shard), () => Promise.reject(new Error('no such handler')), {
      connection: client,
      prefix: 'otelfan',
    });
    await expect
      .poll(() => queue.deadLetters(shard, { limit: 10 }), { timeout: 10_000 })
      .toMatchObject([
        { id: batch.id, records: 3, reason: 'its job was made to fail outside of otelfan: no such handler' },
      ]);
    await worker.close();
    expect(await queue.stats(shard)).toMatchObject({
      batches: 0,
      deadBatches: 1,
      deadLettered: { traces: 3 },
    });
    expect(await plain.getFailedCount()).toBe(0);
    expect(await plain.getJob(batch.id)).toBeUndefined();

    expect(await queue.replay(batch)).toBe(true);
    const claim = await queue.claim(shard, 'oldest');
    expect(claim?.batch).toEqual(batch);
    if (claim !== undefined) await queue.ack(claim);
    expect(await queue.stats(shard)).toMatchObject({ deadBatches: 0, delivered: { traces: 3 } });
  });

  it('removes a failed job whose batch was settled, and counts it once', async () => {
    const batch = newBatch(shard);
    await queue.enqueue([batch]);
    const claim = await queue.claim(shard, 'oldest');
    await client.zadd(`otelfan:${laneName(shard)}:failed`, 1, batch.id);
    if (claim !== undefined) await queue.ack(claim);
    await expect.poll(() => plain.getFailedCount(), { timeout: 10_000 }).toBe(0);
    expect(await queue.stats(shard)).toMatchObject({ deadBatches: 0, delivered: { traces: 1 } });
  });

  it('replays a dead letter whose job was made to fail', async () => {
    const batch = newBatch(shard);
    await queue.enqueue([batch]);
    const claim = await queue.claim(shard, 'oldest');
    if (claim !== undefined) await queue.deadLetter(claim, 'no');
    await plain.add('batch', {}, { jobId: batch.id, delay: 60_000 });
    await client
      .multi()
      .zrem(`otelfan:${laneName(shard)}:delayed`, batch.id)
      .zadd(`otelfan:${laneName(shard)}:failed`, 1, batch.id)
      .exec();
    expect(await queue.replay(batch)).toBe(true);
    expect((await queue.claim(shard, 'oldest'))?.batch).toEqual(batch);
  });

  it('gives batches new jobs when the queue was obliterated', async () => {
    const batches = Array.from({ length: 8 }, () => newBatch(shard));
    await queue.enqueue(batches);
    await plain.obliterate({ force: true });
    expect(await queue.claim(shard, 'oldest')).toBeUndefined();
    const claimed = new Set<string>();
    const claimAll = async () => {
      for (
        let claim = await queue.claim(shard, 'newest');
        claim;
        claim = await queue.claim(shard, 'newest')
      ) {
        claimed.add(claim.batch.id);
        await queue.ack(claim);
      }
      return claimed.size;
    };
    await expect.poll(claimAll, { timeout: 10_000 }).toBe(batches.length);
    expect(await queue.stats(shard)).toMatchObject({ batches: 0, delivered: { traces: 8 } });
  });

  it('finds all batches that lost their job, in a backlog longer than one look', async () => {
    const batches = Array.from({ length: 1200 }, () => newBatch(shard));
    await queue.enqueue(batches);
    const lost = batches.filter((_, index) => index % 100 === 99).map(batch => batch.id);
    const removed = await Promise.all(lost.map(id => plain.remove(id)));
    expect(removed).toEqual(lost.map(() => 1));
    const jobsThere = () => client.exists(...lost.map(id => `otelfan:${laneName(shard)}:${id}`));
    await expect.poll(jobsThere, { timeout: 10_000 }).toBe(lost.length);
    expect((await queue.stats(shard)).batches).toBe(batches.length);
  });

  it('leaves batches alone that are waiting, delayed or dead', async () => {
    const [waiting, delayed, dead] = [newBatch(shard), newBatch(shard), newBatch(shard)];
    const claim = async () => {
      const next = await queue.claim(shard, 'oldest');
      if (next === undefined) throw new Error('nothing to claim');
      return next;
    };
    await queue.enqueue([dead]);
    await queue.deadLetter(await claim(), 'no');
    await queue.enqueue([delayed]);
    await queue.release(await claim(), 60_000);
    await queue.enqueue([waiting]);
    await sleep(LEASE_MS * 6);
    expect(await plain.getJobCounts()).toMatchObject({ prioritized: 1, delayed: 1, waiting: 0, failed: 0 });
    expect(await queue.stats(shard)).toMatchObject({ batches: 2, deadBatches: 1 });
    expect(await client.zcard(laneKeys(shard).ledger)).toBe(2);
  });
});

describe('many lanes', () => {
  it('share one connection', async ({ skip }) => {
    // Others come and go on a server that is shared.
    if (cannotControlRedis !== undefined) skip(cannotControlRedis);
    const redis = await startRedis();
    const admin = new Redis(redis.url);
    const shards = Array.from({ length: 50 }, () => uniqueName('s'));
    const clients = async () =>
      String(await admin.client('LIST'))
        .trim()
        .split('\n').length;
    const before = await clients();
    const queue = await createBullmqQueue({
      url: redis.url,
      shards,
      leaseMs: LEASE_MS,
      clock: systemClock,
      logger: pino({ level: 'silent' }),
    });
    try {
      await queue.enqueue(shards.map(shard => newBatch(shard)));
      await Promise.all(shards.map(shard => queue.claim(shard, 'newest')));
      expect((await clients()) - before).toBe(1);
    } finally {
      await queue.stop();
      admin.disconnect();
      await redis.stop();
    }
  });

  it('a process that never claims leaves looking after lanes to others', async ({ skip }) => {
    if (cannotControlRedis !== undefined) skip(cannotControlRedis);
    const redis = await startRedis();
    const admin = new Redis(redis.url);
    const shards = Array.from({ length: 50 }, () => uniqueName('s'));
    const queue = await createBullmqQueue({
      url: redis.url,
      shards,
      claims: false,
      leaseMs: LEASE_MS,
      clock: systemClock,
      logger: pino({ level: 'silent' }),
    });
    try {
      const commands = async () =>
        Number(/total_commands_processed:(\d+)/.exec(await admin.info('stats'))?.[1]);
      const before = await commands();
      await sleep(1000);
      // The heartbeat and a question a second; looking after fifty lanes would take a thousand.
      expect((await commands()) - before).toBeLessThan(50);
      expect(await queue.enqueue(shards.map(shard => newBatch(shard)))).toEqual({ kind: 'stored' });
    } finally {
      await queue.stop();
      admin.disconnect();
      await redis.stop();
    }
  });
});
