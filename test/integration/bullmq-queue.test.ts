import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createBullmqBackend, createJobs } from '../../src/ingest/queue/bullmq-jobs.ts';
import { createBullmqQueue } from '../../src/ingest/queue/bullmq-queue.ts';
import { laneKeys } from '../../src/ingest/queue/redis-keys.ts';
import { createScriptClient } from '../../src/ingest/queue/script-client.ts';
import { systemClock } from '../../src/shared/time.ts';
import { describeBatchQueue } from '../conformance/batch-queue.suite.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { startRedis, type TestRedis, uniqueName } from '../support/redis.ts';
import { setTimeOfDay } from '../support/time-of-day.ts';

const logger = pino({ level: 'silent' });
const LEASE_MS = 400;

function openQueue(url: string, shards: readonly string[] = []): Promise<BatchQueue> {
  return createBullmqQueue({ url, shards, leaseMs: LEASE_MS, clock: systemClock, logger });
}

let redis: TestRedis;
let client: Redis;

beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.url);
});

afterAll(async () => {
  client.disconnect();
  await redis.stop();
});

describeBatchQueue('BullMQ', () => {
  const shards: string[] = [];
  return Promise.resolve({
    leaseMs: LEASE_MS,
    backlogAgeMs: 10_000,
    open: () => openQueue(redis.url, shards),
    elapse: ms => sleep(ms),
    setTime: setTimeOfDay,
    async damage(shard, id) {
      const last = (await client.strlen(laneKeys(shard).payload(id))) - 1;
      await client.setrange(laneKeys(shard).payload(id), last, '\u0001');
    },
    async removePayload(shard, id) {
      await client.del(laneKeys(shard).payload(id));
    },
    childArguments: ['redis', redis.url],
    newShard() {
      const shard = uniqueName('s');
      shards.push(shard);
      return shard;
    },
    close() {
      setTimeOfDay(0);
      return Promise.resolve();
    },
  });
});

describe('the queue in Redis', () => {
  const queues: BatchQueue[] = [];

  const open = async (shard: string) => {
    const queue = await openQueue(redis.url, [shard]);
    queues.push(queue);
    return queue;
  };

  afterEach(async () => {
    await Promise.all(queues.splice(0).map(queue => queue.stop()));
  });

  it('two processes never hold the same batch', async () => {
    const shard = uniqueName('s');
    const [one, two] = [await open(shard), await open(shard)];
    const batches = Array.from({ length: 20 }, () => newBatch(shard));
    await one.enqueue(batches);
    const claims = await Promise.all(
      Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? one : two).claim(shard, 'oldest')),
    );
    const ids = claims.flatMap(claim => (claim === undefined ? [] : [claim.batch.id]));
    expect(ids.toSorted()).toEqual(batches.map(batch => batch.id).toSorted());
  });

  it('a batch that a dead process held is handed out by another after the lease', async () => {
    const shard = uniqueName('s');
    const [dead, alive] = [await openQueue(redis.url, [shard]), await open(shard)];
    await dead.enqueue([newBatch(shard)]);
    await dead.claim(shard, 'oldest');
    await dead.stop();
    const since = Date.now();
    await expect.poll(() => alive.claim(shard, 'oldest'), { timeout: 5000, interval: 20 }).toBeDefined();
    expect(Date.now() - since).toBeLessThan(2 * LEASE_MS + 500);
  });

  it('a batch is handed out however often its owners died', async () => {
    const shard = uniqueName('s');
    const queue = await open(shard);
    await queue.enqueue([newBatch(shard)]);
    for (let deaths = 0; deaths < 3; deaths += 1) {
      await expect.poll(() => queue.claim(shard, 'oldest'), { timeout: 5000, interval: 20 }).toBeDefined();
    }
    expect((await queue.stats(shard)).batches).toBe(1);
  });

  it('payloads do not expire, keys of a lane share a slot, and nothing is left of delivered batches', async () => {
    const shard = uniqueName('s');
    const queue = await open(shard);
    const batches = Array.from({ length: 30 }, () => newBatch(shard));
    await queue.enqueue(batches);
    const payloadKey = laneKeys(shard).payload(batches[0]?.id as string);
    expect(await client.ttl(payloadKey)).toBe(-1);
    const keys = await client.keys(`*${shard}*`);
    expect(keys.filter(key => !key.includes(`{otelfan-${shard}}`))).toEqual([]);
    for (const _ of batches) {
      const claim = await queue.claim(shard, 'oldest');
      if (claim !== undefined) await queue.ack(claim);
    }
    expect(await queue.claim(shard, 'oldest')).toBeUndefined();
    const left = (await client.keys(`*${shard}*`)).map(key => key.split(':').at(-1));
    const permanent = ['counters', 'events', 'id', 'marker', 'meta', 'settled', 'stalled-check'];
    expect(left.filter(name => !permanent.includes(name as string))).toEqual([]);
    // Trimmed by whole nodes of the stream, of a hundred entries each.
    expect(await client.xlen(`otelfan:{otelfan-${shard}}:events`)).toBeLessThan(200);
  });

  it('a job whose hash vanished is still delivered', async () => {
    const shard = uniqueName('s');
    const queue = await open(shard);
    const batch = newBatch(shard);
    await queue.enqueue([batch]);
    await client.del(`otelfan:{otelfan-${shard}}:${batch.id}`);
    const claim = await queue.claim(shard, 'oldest');
    expect(claim?.batch).toEqual(batch);
    if (claim !== undefined) await queue.ack(claim);
    expect(await queue.stats(shard)).toMatchObject({ batches: 0, delivered: { traces: 1 } });
  });

  it('a job whose batch is accounted for already is dropped', async () => {
    const shard = uniqueName('s');
    const queue = await open(shard);
    const [ghost, batch] = [newBatch(shard), newBatch(shard)];
    await queue.enqueue([ghost]);
    const keys = laneKeys(shard);
    await client.del(keys.entries, keys.ledger, keys.payload(ghost.id));
    await queue.enqueue([batch]);
    expect((await queue.claim(shard, 'oldest'))?.batch).toEqual(batch);
    expect(await client.exists(`otelfan:{otelfan-${shard}}:${ghost.id}`)).toBe(0);
  });

  it('keeps the payload and the reason of a dead letter', async () => {
    const shard = uniqueName('s');
    const queue = await open(shard);
    const batch = newBatch(shard, { records: 4 });
    await queue.enqueue([batch]);
    const claim = await queue.claim(shard, 'oldest');
    if (claim !== undefined) await queue.deadLetter(claim, 'HTTP 400: "bad"\n');
    const letter = JSON.parse((await client.hget(laneKeys(shard).dead, batch.id)) ?? '');
    expect(letter).toMatchObject({ reason: 'HTTP 400: "bad"\n', entry: { signal: 'traces', records: 4 } });
    expect(await client.exists(laneKeys(shard).payload(batch.id))).toBe(1);
  });
});

describe('jobs', () => {
  it('are added by the transaction they were put into, and only by it', async () => {
    const shard = uniqueName('s');
    const scripts = createScriptClient(client, () => [client]);
    const jobs = createJobs(createBullmqBackend(scripts, LEASE_MS), shard);
    const id = uuidv7();
    await scripts.transact(async transaction => {
      await jobs.addTo(transaction, id, 'fresh');
      expect(await client.exists(jobs.jobKey(id))).toBe(0);
    });
    expect(await client.exists(jobs.jobKey(id))).toBe(1);
    expect(await jobs.take('token')).toBe(id);
    await jobs.finish(id, 'token');
    expect(await client.exists(jobs.jobKey(id))).toBe(0);
  });
});
