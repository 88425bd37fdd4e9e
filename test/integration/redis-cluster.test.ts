import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createBullmqQueue } from '../../src/ingest/queue/bullmq-queue.ts';
import { laneKeys } from '../../src/ingest/queue/redis-keys.ts';
import { systemClock } from '../../src/shared/time.ts';
import { describeBatchQueue } from '../conformance/batch-queue.suite.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { expectConserved } from '../support/conservation.ts';
import { cannotControlRedis, uniqueName } from '../support/redis.ts';
import { startRedisCluster, type TestRedisCluster } from '../support/redis-cluster.ts';
import { setTimeOfDay } from '../support/time-of-day.ts';

const LEASE_MS = 400;

let cluster: TestRedisCluster;
let client: Cluster;

beforeAll(async () => {
  if (cannotControlRedis !== undefined) return;
  cluster = await startRedisCluster();
  client = new Cluster([{ host: '127.0.0.1', port: (cluster.nodes[0] as { port: number }).port }]);
});

afterAll(async () => {
  if (cannotControlRedis !== undefined) return;
  client.disconnect();
  await cluster.stop();
});

beforeEach(({ skip }) => {
  if (cannotControlRedis !== undefined) skip(cannotControlRedis);
});

function openQueue(shards: readonly string[] = []): Promise<BatchQueue> {
  return createBullmqQueue({
    url: cluster.url,
    cluster: true,
    shards,
    leaseMs: LEASE_MS,
    clock: systemClock,
    logger: pino({ level: 'silent' }),
  });
}

if (cannotControlRedis === undefined) {
  describeBatchQueue('BullMQ on a Redis Cluster', () => {
    const shards: string[] = [];
    return Promise.resolve({
      leaseMs: LEASE_MS,
      backlogAgeMs: 10_000,
      open: () => openQueue(shards),
      elapse: ms => sleep(ms),
      setTime: setTimeOfDay,
      async damage(shard, id) {
        const last = (await client.strlen(laneKeys(shard).payload(id))) - 1;
        await client.setrange(laneKeys(shard).payload(id), last, '\u0001');
      },
      async removePayload(shard, id) {
        await client.del(laneKeys(shard).payload(id));
      },
      childArguments: ['redis-cluster', cluster.url],
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
}

describe('the queue in a Redis Cluster', () => {
  let queue: BatchQueue;

  afterEach(async () => {
    if (cannotControlRedis !== undefined) return;
    await queue.stop();
    for (const node of cluster.nodes) {
      node.resume();
      if (!node.isRunning()) await node.start();
    }
  });

  /** Shards by the node that holds their lane, at least one for each. */
  const shardsByNode = async () => {
    const names = Array.from({ length: 24 }, () => uniqueName('s'));
    const ports = await Promise.all(
      names.map(async name => (await cluster.nodeOf(laneKeys(name).ledger)).port),
    );
    const found = Map.groupBy(names, name => ports[names.indexOf(name)] as number);
    expect(found.size).toBe(cluster.nodes.length);
    return found;
  };

  it('spreads lanes over the nodes, and stores a request for all of them', async () => {
    const shards = [...(await shardsByNode()).values()].flat();
    queue = await openQueue(shards);
    const batches = shards.map(shard => newBatch(shard));
    expect(await queue.enqueue(batches)).toEqual({ kind: 'stored' });
    for (const batch of batches) {
      const claim = await queue.claim(batch.shard, 'newest');
      expect(claim?.batch).toEqual(batch);
      if (claim !== undefined) await queue.ack(claim);
    }
    expect((await queue.shards()).toSorted()).toEqual(expect.arrayContaining(shards));
    for (const shard of shards) {
      expect(await queue.stats(shard)).toMatchObject({ batches: 0, delivered: { traces: 1 } });
    }
  });

  it.each(['killed', 'frozen'] as const)(
    'a node that is %s costs only its own shards, which are named',
    async how => {
      const byNode = await shardsByNode();
      const shards = [...byNode.values()].flat();
      queue = await openQueue(shards);
      const before = shards.map(shard => newBatch(shard));
      await expect.poll(async () => (await queue.enqueue(before)).kind, { timeout: 10_000 }).toBe('stored');
      const victim = cluster.nodes.at(-1) as (typeof cluster.nodes)[number];
      const lost = byNode.get(victim.port) as string[];
      const kept = shards.filter(shard => !lost.includes(shard));
      if (how === 'killed') await victim.kill();
      else victim.pause();

      const during = shards.map(shard => newBatch(shard));
      expect(await queue.enqueue(during)).toEqual({
        kind: 'unknown',
        reason: expect.stringContaining('Redis'),
        shards: new Set(lost),
      });
      for (const shard of kept) expect((await queue.stats(shard)).batches).toBe(2);
      // From then on it is known before anything is sent.
      const since = performance.now();
      const refused = await queue.enqueue(lost.map(shard => newBatch(shard)));
      expect(refused.kind).toBe('refused');
      expect(performance.now() - since).toBeLessThan(200);
      expect(await queue.enqueue(kept.map(shard => newBatch(shard)))).toEqual({ kind: 'stored' });
      // Admission asks again and again, and would turn every request away.
      for (let look = 0; look < 10; look++) {
        expect(await queue.unavailableReason()).toBeUndefined();
        await sleep(50);
      }

      if (how === 'killed') await victim.start();
      else victim.resume();
      await expect.poll(async () => (await queue.enqueue(during)).kind, { timeout: 15_000 }).toBe('stored');
      for (const shard of lost) {
        const { batches, accepted } = await queue.stats(shard);
        expect({ batches, accepted: accepted.traces }).toEqual({ batches: 2, accepted: 2 });
        expect(await queue.claim(shard, 'oldest')).toBeDefined();
      }
      await expectConserved(queue);
    },
  );
});
