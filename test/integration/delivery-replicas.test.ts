import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createBullmqQueue } from '../../src/ingest/queue/bullmq-queue.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { expectConserved } from '../support/conservation.ts';
import { startRedis, type TestRedis, uniqueName } from '../support/redis.ts';
import { type Answers, ok, type StubOtlpShard, startStubOtlpShard } from '../support/stub-otlp-shard.ts';

const LEASE_MS = 3_000;
const BATCHES = 60;
const LANE_CHILD = fileURLToPath(new URL('../support/lane-child.ts', import.meta.url));

describe('replicas that share a lane', () => {
  const shard = uniqueName('s');
  let redis: TestRedis;
  let queue: BatchQueue;
  let door: StubOtlpShard;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    redis = await startRedis();
    const common = { clock: { now: Date.now }, logger: pino({ level: 'silent' }) };
    queue = await createBullmqQueue({ ...common, url: redis.url, shards: [shard], leaseMs: LEASE_MS });
  });

  afterEach(async () => {
    for (const child of children.splice(0)) await kill(child);
    await queue.stop();
    await door.stop();
    await redis.stop();
  });

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** A process of its own that delivers to `path` at the door. */
  function startReplica(path: string): ChildProcess {
    const args = [LANE_CHILD, redis.url, shard, `${door.url}${path}`, String(LEASE_MS)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    children.push(child);
    return child;
  }

  const idsFrom = (path: string) =>
    door.deliveries
      .filter(delivery => delivery.path?.startsWith(path))
      .map(delivery => delivery.headers['otelfan-batch-id'] as string);

  async function open(answer: Answers): Promise<readonly string[]> {
    door = await startStubOtlpShard(answer);
    const batches = Array.from({ length: BATCHES }, () => newBatch(shard, { payload: Buffer.alloc(1000) }));
    expect(await queue.enqueue(batches)).toEqual({ kind: 'stored' });
    return batches.map(({ id }) => id).toSorted();
  }

  const untilDelivered = () =>
    expect
      .poll(() => queue.stats(shard), { timeout: 40_000, interval: 50 })
      .toMatchObject({ batches: 0, delivered: { traces: BATCHES } });

  it('deliver every batch once between them', async () => {
    // Slow until both are there, however long a process takes to start.
    const ids = await open(() => ({
      ...ok,
      afterMs: idsFrom('/a').length > 0 && idsFrom('/b').length > 0 ? 5 : 800,
    }));
    startReplica('/a');
    startReplica('/b');
    await untilDelivered();
    expect(door.ids().toSorted()).toEqual(ids);
    expect(idsFrom('/a').length).toBeGreaterThan(0);
    expect(idsFrom('/b').length).toBeGreaterThan(0);
    await expectConserved(queue);
  });

  it('lose nothing when one is killed in the middle of deliveries, which the other repeats', async () => {
    let isHolding = false;
    const ids = await open(({ path }) =>
      path?.startsWith('/a') && isHolding ? 'silence' : { ...ok, afterMs: 20 },
    );
    const dying = startReplica('/a');
    await expect.poll(() => idsFrom('/a').length, { timeout: 20_000 }).toBeGreaterThan(5);
    // The shard has taken these, and their replica never hears of it.
    isHolding = true;
    const before = idsFrom('/a').length;
    await expect.poll(() => idsFrom('/a').length).toBeGreaterThanOrEqual(before + 4);
    await kill(dying);
    const sentByDead = idsFrom('/a');

    startReplica('/b');
    await untilDelivered();
    expect([...new Set(door.ids())].toSorted()).toEqual(ids);
    const repeated = idsFrom('/b').filter(id => sentByDead.includes(id));
    expect(repeated.length).toBeGreaterThan(0);
    // At most what was on the way at once, and never more than once again.
    expect(repeated.length).toBeLessThanOrEqual(8);
    expect(new Set(idsFrom('/b')).size).toBe(idsFrom('/b').length);
    await expectConserved(queue);
  });
});
