import { Redis } from 'ioredis';
import { type Logger, pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createBullmqQueue, UnsafeRedisError } from '../../src/ingest/queue/bullmq-queue.ts';
import { systemClock } from '../../src/shared/time.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { repositoryFile } from '../support/deploy-files.ts';
import { cannotControlRedis, startRedis, type TestRedis } from '../support/redis.ts';

const DURABLE: readonly string[] = [];
const NOT_DURABLE = ['--appendonly', 'no'];

describe('a Redis that may lose batches', () => {
  let redis: TestRedis;
  let queue: BatchQueue | undefined;
  let warnings: string[];
  let logger: Logger;

  beforeEach(({ skip }) => {
    if (cannotControlRedis !== undefined) skip(cannotControlRedis);
    queue = undefined;
    warnings = [];
    const keep = { write: (line: string) => warnings.push((JSON.parse(line) as { msg: string }).msg) };
    logger = pino({ level: 'warn' }, keep);
  });

  afterEach(async () => {
    if (cannotControlRedis !== undefined) return;
    await queue?.stop();
    await redis.stop();
  });

  const start = async (args: readonly string[], started = true) => {
    redis = await startRedis({ args, started });
  };

  const open = async (options: { requireDurable?: boolean; maxQueueBytes?: number; url?: string } = {}) => {
    queue = await createBullmqQueue({
      url: redis.url,
      shards: ['s0'],
      leaseMs: 10_000,
      clock: systemClock,
      logger,
      ...options,
    });
    return queue;
  };

  it('is warned of once when it keeps no append-only file, and used', async () => {
    await start(NOT_DURABLE);
    const opened = await open();
    for (let round = 0; round < 3; round += 1) await opened.unavailableReason();
    expect(warnings).toEqual([expect.stringContaining('appendonly no')]);
    expect(await opened.enqueue([newBatch('s0')])).toEqual({ kind: 'stored' });
  });

  it('is warned of when it leaves syncing to the operating system', async () => {
    await start(['--appendfsync', 'no']);
    await open();
    expect(warnings).toEqual([expect.stringContaining('appendfsync no')]);
  });

  it('is warned of when it may evict what expires, as leases do', async () => {
    await start(['--maxmemory-policy', 'volatile-lru']);
    await open();
    expect(warnings).toEqual([expect.stringContaining('maxmemory-policy volatile-lru')]);
  });

  it('is warned of when it does not tell', async () => {
    await start(DURABLE);
    const admin = new Redis(redis.url);
    await admin.acl('SETUSER', 'queue', 'on', 'nopass', '~*', '+@all', '-config', '-info');
    await open({ url: redis.url.replace('//', '//queue:any@') });
    expect(warnings).toEqual([
      expect.stringContaining('does not tell its maxmemory-policy'),
      expect.stringContaining('does not tell whether it keeps an append-only file'),
    ]);
    admin.disconnect();
  });

  it('says nothing of one that loses nothing', async () => {
    await start(DURABLE);
    await open({ requireDurable: true, maxQueueBytes: 1024 });
    expect(warnings).toEqual([]);
  });

  it('says nothing of one with the settings that the manifests for Kubernetes show', async () => {
    const settings = repositoryFile('deploy', 'k8s', 'redis.conf')
      .split('\n')
      .filter(line => /^[a-z]/.test(line));
    await start(settings.flatMap(line => `--${line}`.split(' ')));
    await open({ requireDurable: true, maxQueueBytes: 10 * 1024 ** 3 });
    expect(warnings).toEqual([]);
  });

  it('is warned of when it has no maxmemory and the machine no room for a full queue', async () => {
    await start(DURABLE);
    await open({ maxQueueBytes: 2 ** 50 });
    expect(warnings).toEqual([expect.stringContaining('queue.maxBytes')]);
  });

  it('is warned of when the queue may be larger than what it stores of its maxmemory', async () => {
    await start([...DURABLE, '--maxmemory', '1gb']);
    await open({ maxQueueBytes: 0.9 * 1024 ** 3 });
    expect(warnings).toEqual([expect.stringMatching(/queue\.maxBytes \(966367642\).*80 % of its maxmemory/)]);
  });

  it('ends the start where durability is required', async () => {
    await start(NOT_DURABLE);
    const opening = open({ requireDurable: true });
    await expect(opening).rejects.toThrow(UnsafeRedisError);
    await expect(opening).rejects.toThrow(/queue\.redis\.requireDurable.*appendonly no/);
  });

  it('stores nothing where durability is required and it came later, until it is durable', async () => {
    await start(NOT_DURABLE, false);
    const opened = await open({ requireDurable: true });
    await redis.start();
    await expect
      .poll(() => opened.unavailableReason(), { timeout: 10_000 })
      .toContain('queue.redis.requireDurable');
    expect(await opened.enqueue([newBatch('s0')])).toEqual({
      kind: 'refused',
      reason: expect.stringContaining('appendonly no'),
    });
    const admin = new Redis(redis.url);
    await admin.config('SET', 'appendonly', 'yes');
    await expect.poll(() => opened.unavailableReason(), { timeout: 10_000 }).toBeUndefined();
    expect(await opened.enqueue([newBatch('s0')])).toEqual({ kind: 'stored' });
    admin.disconnect();
  });
});
