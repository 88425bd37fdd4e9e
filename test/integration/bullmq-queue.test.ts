import { setTimeout as sleep } from 'node:timers/promises';
import { createIORedisClient, type IRedisClient } from 'bullmq';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createJobs } from '../../src/ingest/queue/bullmq-jobs.ts';
import { createBullmqQueue } from '../../src/ingest/queue/bullmq-queue.ts';
import { laneKeys } from '../../src/ingest/queue/redis-scripts.ts';
import { systemClock } from '../../src/shared/time.ts';
import { describeBatchQueue } from '../conformance/batch-queue.suite.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { cannotControlRedis, startRedis, type TestRedis, uniqueName } from '../support/redis.ts';

const logger = pino({ level: 'silent' });
const LEASE_MS = 400;

const keysOf = (shard: string) => laneKeys(`{otelfan-${shard}}`);

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
    open: () => openQueue(redis.url, shards),
    elapse: ms => sleep(ms),
    async damage(shard, id) {
      const last = (await client.strlen(keysOf(shard).payload(id))) - 1;
      await client.setrange(keysOf(shard).payload(id), last, '\u0001');
    },
    async removePayload(shard, id) {
      await client.del(keysOf(shard).payload(id));
    },
    childArguments: ['redis', redis.url],
    newShard() {
      const shard = uniqueName('s');
      shards.push(shard);
      return shard;
    },
    close: () => Promise.resolve(),
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
      Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? one : two).claim(shard)),
    );
    const ids = claims.flatMap(claim => (claim === undefined ? [] : [claim.batch.id]));
    expect(ids.toSorted()).toEqual(batches.map(batch => batch.id).toSorted());
  });

  it('a batch that a dead process held is handed out by another after the lease', async () => {
    const shard = uniqueName('s');
    const [dead, alive] = [await openQueue(redis.url, [shard]), await open(shard)];
    await dead.enqueue([newBatch(shard)]);
    await dead.claim(shard);
    await dead.stop();
    const since = Date.now();
    await expect.poll(() => alive.claim(shard), { timeout: 5000, interval: 20 }).toBeDefined();
    expect(Date.now() - since).toBeLessThan(2 * LEASE_MS + 500);
  });

  it('a batch is handed out however often its owners died', async () => {
    const shard = uniqueName('s');
    const queue = await open(shard);
    await queue.enqueue([newBatch(shard)]);
    for (let deaths = 0; deaths < 3; deaths += 1) {
      await expect.poll(() => queue.claim(shard), { timeout: 5000, interval: 20 }).toBeDefined();
    }
    expect((await queue.stats(shard)).batches).toBe(1);
  });

  it('payloads do not expire, keys of a lane share a slot, and nothing is left of delivered batches', async () => {
    const shard = uniqueName('s');
    const queue = await open(shard);
    const batches = Array.from({ length: 30 }, () => newBatch(shard));
    await queue.enqueue(batches);
    const payloadKey = keysOf(shard).payload(batches[0]?.id as string);
    expect(await client.ttl(payloadKey)).toBe(-1);
    const keys = await client.keys(`*${shard}*`);
    expect(keys.filter(key => !key.includes(`{otelfan-${shard}}`))).toEqual([]);
    for (const _ of batches) {
      const claim = await queue.claim(shard);
      if (claim !== undefined) await queue.ack(claim);
    }
    expect(await queue.claim(shard)).toBeUndefined();
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
    const claim = await queue.claim(shard);
    expect(claim?.batch).toEqual(batch);
    if (claim !== undefined) await queue.ack(claim);
    expect(await queue.stats(shard)).toMatchObject({ batches: 0, delivered: { traces: 1 } });
  });

  it('a job whose batch is accounted for already is dropped', async () => {
    const shard = uniqueName('s');
    const queue = await open(shard);
    const [ghost, batch] = [newBatch(shard), newBatch(shard)];
    await queue.enqueue([ghost]);
    const keys = keysOf(shard);
    await client.del(keys.entries, keys.ledger, keys.payload(ghost.id));
    await queue.enqueue([batch]);
    expect((await queue.claim(shard))?.batch).toEqual(batch);
    expect(await client.exists(`otelfan:{otelfan-${shard}}:${ghost.id}`)).toBe(0);
  });

  it('keeps the payload and the reason of a dead letter', async () => {
    const shard = uniqueName('s');
    const queue = await open(shard);
    const batch = newBatch(shard, { records: 4 });
    await queue.enqueue([batch]);
    const claim = await queue.claim(shard);
    if (claim !== undefined) await queue.deadLetter(claim, 'HTTP 400: "bad"\n');
    const letter = JSON.parse((await client.hget(keysOf(shard).dead, batch.id)) ?? '');
    expect(letter).toMatchObject({ reason: 'HTTP 400: "bad"\n', entry: { signal: 'traces', records: 4 } });
    expect(await client.exists(keysOf(shard).payload(batch.id))).toBe(1);
  });
});

describe('jobs', () => {
  it('are added by the transaction they were put into, and only by it', async () => {
    const name = `{${uniqueName('jobs')}}`;
    const onError = (error: Error) => expect.unreachable(error.message);
    const jobs = createJobs({ client, name, leaseMs: LEASE_MS, onError });
    const id = uuidv7();
    const bullClient: IRedisClient = createIORedisClient(client);
    const transaction = bullClient.multi();
    await jobs.addTo(transaction, [id]);
    expect(await client.exists(jobs.jobKey(id))).toBe(0);
    await transaction.exec();
    expect(await client.exists(jobs.jobKey(id))).toBe(1);
    const job = await jobs.take('token');
    expect(job?.id).toBe(id);
    await jobs.close();
  });
});

describe('the queue in a Redis that is in trouble', () => {
  let own: TestRedis;
  let queue: BatchQueue;

  beforeEach(({ skip }) => {
    if (cannotControlRedis !== undefined) skip(cannotControlRedis);
  });

  const begin = async (options: Parameters<typeof startRedis>[0] = {}) => {
    own = await startRedis(options);
    queue = await openQueue(own.url, ['s0']);
  };

  afterEach(async () => {
    if (cannotControlRedis !== undefined) return;
    await queue.stop();
    await own.stop();
  });

  const timed = async () => {
    const since = performance.now();
    const outcome = await queue.enqueue([newBatch('s0')]);
    return { kind: outcome.kind, ms: performance.now() - since };
  };

  const expectRecovery = async () => {
    const poll = expect.poll(async () => (await queue.enqueue([newBatch('s0')])).kind, { timeout: 8000 });
    await poll.toBe('stored');
    expect((await queue.claim('s0'))?.batch.shard).toBe('s0');
    expect(await queue.unavailableReason()).toBeUndefined();
  };

  it('that is not there at the start: refuses at once, and stores when it is there', async () => {
    await begin({ started: false });
    for (let round = 0; round < 3; round += 1) {
      const { kind, ms } = await timed();
      expect(kind).toBe('unavailable');
      expect(ms).toBeLessThan(800);
    }
    expect(await queue.unavailableReason()).toContain('not reachable');
    await expect(queue.claim('s0')).rejects.toThrow();
    await own.start();
    await expectRecovery();
  });

  it('that is killed: refuses at once, and has what it stored when it is back', async () => {
    await begin();
    const batch = newBatch('s0');
    expect(await queue.enqueue([batch])).toEqual({ kind: 'stored' });
    await own.kill();
    for (let round = 0; round < 3; round += 1) {
      const { kind, ms } = await timed();
      expect(kind).toBe('unavailable');
      expect(ms).toBeLessThan(800);
    }
    await own.start();
    await expect.poll(() => queue.unavailableReason(), { timeout: 8000 }).toBeUndefined();
    expect((await queue.claim('s0'))?.batch).toEqual(batch);
    await expectRecovery();
  });

  it('that hangs: refuses within the timeout; a batch it took late is stored once', async () => {
    await begin();
    own.pause();
    const batch = newBatch('s0');
    const since = performance.now();
    expect((await queue.enqueue([batch])).kind).toBe('unavailable');
    expect(performance.now() - since).toBeLessThan(900);
    await expect(queue.claim('s0')).rejects.toThrow();
    for (let round = 0; round < 3; round += 1) expect((await timed()).ms).toBeLessThan(900);
    own.resume();
    await expect.poll(async () => (await queue.enqueue([batch])).kind, { timeout: 8000 }).toBe('stored');
    // The claim that timed out may have been made; its batch comes back when the lease is over.
    const delivered: string[] = [];
    const drain = async () => {
      for (let claim = await queue.claim('s0'); claim !== undefined; claim = await queue.claim('s0')) {
        delivered.push(claim.batch.id);
        await queue.ack(claim);
      }
      return (await queue.stats('s0')).batches;
    };
    await expect.poll(drain, { timeout: 5000 }).toBe(0);
    expect(delivered.filter(id => id === batch.id)).toHaveLength(1);
    expect((await queue.stats('s0')).accepted.traces).toBe(delivered.length);
  });

  it('that is full: refuses before it is too full to be drained', async () => {
    await begin({ args: ['--maxmemory', '16mb'] });
    const payload = Buffer.alloc(256 * 1024, 'x');
    const outcomes = [];
    for (let round = 0; round < 40; round += 1) {
      outcomes.push(await queue.enqueue([newBatch('s0', { payload })]));
      await queue.unavailableReason();
    }
    expect(outcomes.at(0)?.kind).toBe('stored');
    expect(outcomes.at(-1)).toEqual({ kind: 'unavailable', reason: expect.stringContaining('80 %') });
    const stored = outcomes.filter(outcome => outcome.kind === 'stored').length;
    expect((await queue.stats('s0')).batches).toBe(stored);
    for (let round = 0; round < stored; round += 1) {
      const claim = await queue.claim('s0');
      if (claim !== undefined) await queue.ack(claim);
    }
    expect(await queue.stats('s0')).toMatchObject({ batches: 0, delivered: { traces: stored } });
    await expectRecovery();
  });

  it('that refuses writes: nothing of a call is stored, and the same batches are stored once it takes them', async () => {
    await begin();
    const admin = new Redis(own.url);
    const batches = [newBatch('s0'), newBatch('s0'), newBatch('s0')];
    for (const refusal of ['full', 'replica'] as const) {
      if (refusal === 'full') await admin.config('SET', 'maxmemory', '1');
      else await admin.replicaof('127.0.0.1', 1);
      expect((await queue.enqueue(batches)).kind).toBe('unavailable');
      await admin.replicaof('NO', 'ONE');
      await admin.config('SET', 'maxmemory', '0');
      expect((await queue.stats('s0')).batches).toBe(0);
      await queue.unavailableReason();
    }
    // The scripts were sent in refused transactions only; the client must not believe the server knows them.
    await expect.poll(async () => (await queue.enqueue(batches)).kind, { timeout: 8000 }).toBe('stored');
    expect(await queue.stats('s0')).toMatchObject({ batches: 3, accepted: { traces: 3 } });
    admin.disconnect();
  });

  it('that forgot its scripts: nothing is stored by halves', async () => {
    await begin();
    await queue.enqueue([newBatch('s0')]);
    const admin = new Redis(own.url);
    await admin.script('FLUSH');
    const batch = newBatch('s0');
    await expect.poll(async () => (await queue.enqueue([batch])).kind, { timeout: 8000 }).toBe('stored');
    const { batches, accepted } = await queue.stats('s0');
    expect({ batches, accepted: accepted.traces }).toEqual({ batches: 2, accepted: 2 });
    expect(await queue.claim('s0')).toBeDefined();
    expect((await queue.claim('s0'))?.batch).toEqual(batch);
    admin.disconnect();
  });

  it('that would evict batches: refuses and says what to change', async () => {
    await begin({ args: ['--maxmemory-policy', 'allkeys-lru'] });
    await expect.poll(() => queue.unavailableReason()).toContain('noeviction');
    expect((await queue.enqueue([newBatch('s0')])).kind).toBe('unavailable');
  });
});
