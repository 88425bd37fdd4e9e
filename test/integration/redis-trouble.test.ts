import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createBullmqQueue } from '../../src/ingest/queue/bullmq-queue.ts';
import { laneKeys } from '../../src/ingest/queue/redis-keys.ts';
import { systemClock } from '../../src/shared/time.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { startAddress } from '../support/address.ts';
import { expectConserved } from '../support/conservation.ts';
import { cannotControlRedis, startRedis, type TestRedis } from '../support/redis.ts';

/** Far below any timeout of the queue, and far above what answering without Redis takes on a busy machine. */
const AT_ONCE_MS = 200;
/** What a sender waits for its 503 while Redis is away. */
const REFUSAL_MS = 50;

describe('the queue in a Redis that is in trouble', () => {
  let own: TestRedis;
  let queue: BatchQueue;
  const cleanups: (() => unknown)[] = [];

  beforeEach(({ skip }) => {
    if (cannotControlRedis !== undefined) skip(cannotControlRedis);
  });

  const open = (url: string, options: { readonly silenceTimeoutMs?: number } = {}) =>
    createBullmqQueue({
      url,
      shards: ['s0'],
      leaseMs: 400,
      ...options,
      clock: systemClock,
      logger: pino({ level: 'silent' }),
    });

  const begin = async (options: Parameters<typeof startRedis>[0] = {}) => {
    own = await startRedis(options);
    queue = await open(own.url);
  };

  /** A connection of somebody else's. */
  const adminOf = (redis: TestRedis) => {
    const admin = new Redis(redis.url);
    cleanups.push(() => admin.disconnect());
    return admin;
  };

  afterEach(async () => {
    if (cannotControlRedis !== undefined) return;
    await queue.stop();
    for (const cleanup of cleanups.splice(0)) await cleanup();
    await own.stop();
  });

  const timed = async <T>(call: () => Promise<T>) => {
    const since = performance.now();
    const result = await call();
    return { result, ms: performance.now() - since };
  };

  const kindOf = async (batch = newBatch('s0')) => (await queue.enqueue([batch])).kind;

  const expectRefusalsAtOnce = async () => {
    const times: number[] = [];
    for (let round = 0; round < 11; round += 1) {
      const { result, ms } = await timed(() => queue.enqueue([newBatch('s0')]));
      expect(result.kind).toBe('refused');
      times.push(ms);
    }
    // The middle one: a busy machine may hold up any single one.
    expect(times.toSorted((a, b) => a - b)[5]).toBeLessThan(REFUSAL_MS);
    const { ms } = await timed(() => queue.claim('s0', 'oldest').catch(() => undefined));
    expect(ms).toBeLessThan(AT_ONCE_MS);
  };

  const expectRecovery = async () => {
    await expect.poll(() => kindOf()).toBe('stored');
    await expect.poll(() => queue.unavailableReason()).toBeUndefined();
    expect((await queue.claim('s0', 'newest'))?.batch.shard).toBe('s0');
    await expectConserved(queue);
  };

  it('that is not there at the start: refuses at once, and stores when it is there', async () => {
    await begin({ started: false });
    await expectRefusalsAtOnce();
    expect(await queue.unavailableReason()).toContain('not reachable');
    await expect(queue.claim('s0', 'oldest')).rejects.toThrow();
    await own.start();
    await expectRecovery();
  });

  it('that is killed: refuses at once, and has what it stored when it is back', async () => {
    // With `everysec` it may have answered before it wrote to its file.
    await begin({ args: ['--appendfsync', 'always'] });
    const batch = newBatch('s0');
    expect(await kindOf(batch)).toBe('stored');
    await own.kill();
    // What is sent before the end of the connection is noticed may be unknown.
    await expect.poll(() => queue.unavailableReason()).toContain('not reachable');
    await expectRefusalsAtOnce();
    await expect(queue.claim('s0', 'oldest')).rejects.toThrow();
    await own.start();
    await expect.poll(() => queue.unavailableReason()).toBeUndefined();
    expect((await queue.claim('s0', 'oldest'))?.batch).toEqual(batch);
    await expectRecovery();
  });

  it('that is killed while it stores: has every batch that was reported as stored, if it syncs always', async () => {
    await begin({ args: ['--appendfsync', 'always'] });
    const stored: string[] = [];
    const payload = Buffer.alloc(60_000, 1);
    const storing = (async () => {
      for (;;) {
        const batch = newBatch('s0', { payload });
        if ((await kindOf(batch)) !== 'stored') return;
        stored.push(batch.id);
      }
    })();
    await expect.poll(() => stored.length).toBeGreaterThan(200);
    await own.kill();
    await storing;
    await own.start();
    await expectRecovery();
    const known = await adminOf(own).zrange(laneKeys('s0').ledger, 0, '-1');
    expect(stored.filter(id => !known.includes(id))).toEqual([]);
  });

  it('that hangs: what is on its way is unknown, the rest is refused at once; a batch it took late is stored once', async () => {
    await begin();
    own.pause();
    const batch = newBatch('s0');
    const first = await timed(() => queue.enqueue([batch]));
    expect(first.result).toEqual({
      kind: 'unknown',
      reason: expect.stringContaining('the connection was lost'),
      shards: new Set(['s0']),
    });
    expect(first.ms).toBeLessThan(1500);
    await expectRefusalsAtOnce();
    own.resume();
    await expect.poll(() => kindOf(batch)).toBe('stored');
    const delivered: string[] = [];
    const drain = async () => {
      let claim = await queue.claim('s0', 'oldest');
      for (; claim !== undefined; claim = await queue.claim('s0', 'oldest')) {
        delivered.push(claim.batch.id);
        await queue.ack(claim);
      }
      return (await queue.stats('s0')).batches;
    };
    await expect.poll(drain).toBe(0);
    expect(delivered.filter(id => id === batch.id)).toHaveLength(1);
    expect((await queue.stats('s0')).accepted.traces).toBe(delivered.length);
    await expectConserved(queue);
  });

  it('that is hung when nobody uses it: is found out before the next batch comes', async () => {
    await begin();
    own.pause();
    await sleep(1200);
    await expectRefusalsAtOnce();
    own.resume();
    await expectRecovery();
  });

  it('that accepts connections and greets nobody: is left for another try, and the queue stops in time', async () => {
    const silent = await startAddress();
    cleanups.push(() => silent.close());
    own = await startRedis({ started: false });
    queue = await open(`redis://127.0.0.1:${silent.port}`);
    await expectRefusalsAtOnce();
    await expect.poll(() => silent.connections()).toBeGreaterThan(2);
    const { ms } = await timed(() => queue.stop());
    expect(ms).toBeLessThan(3000);
  });

  it('that is far away: a large batch may take longer than silence is allowed to last', async () => {
    // The disk has no part in this.
    own = await startRedis({ args: ['--appendonly', 'no'] });
    const silenceTimeoutMs = 2000;
    // A beat later than a server is given up that is not being sent anything.
    const pauseMs = 1.5 * silenceTimeoutMs + 100;
    const far = await startAddress(own.port, { carriedBytes: 1024 ** 2, ms: pauseMs });
    cleanups.push(() => far.close());
    queue = await open(`redis://127.0.0.1:${far.port}`, { silenceTimeoutMs });
    // A server that does not know the scripts yet would be sent everything twice.
    expect(await kindOf()).toBe('stored');
    const batch = newBatch('s0', { payload: Buffer.alloc(32 * 1024 ** 2, 'x') });
    const { result, ms } = await timed(() => queue.enqueue([batch]));
    expect(ms).toBeGreaterThan(pauseMs);
    expect(result).toEqual({ kind: 'stored' });
    expect(far.connections()).toBe(1);
  });

  it('that hangs: the queue stops nevertheless', async () => {
    await begin();
    own.pause();
    const { ms } = await timed(() => queue.stop());
    expect(ms).toBeLessThan(3000);
    own.resume();
  });

  it('that answers while this process is busy: keeps its connection', async () => {
    await begin();
    const admin = adminOf(own);
    const connections = async () =>
      Number(/total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1]);
    const before = await connections();
    for (let round = 0; round < 3; round += 1) {
      for (const until = performance.now() + 900; performance.now() < until; );
      await sleep(50);
    }
    await sleep(600);
    expect(await connections()).toBe(before);
    expect(await kindOf()).toBe('stored');
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
    expect(outcomes.at(-1)).toEqual({ kind: 'refused', reason: expect.stringContaining('80 %') });
    const stored = outcomes.filter(outcome => outcome.kind === 'stored').length;
    expect((await queue.stats('s0')).batches).toBe(stored);
    for (let round = 0; round < stored; round += 1) {
      const claim = await queue.claim('s0', round % 2 === 0 ? 'oldest' : 'newest');
      if (claim !== undefined) await queue.ack(claim);
    }
    expect(await queue.stats('s0')).toMatchObject({ batches: 0, delivered: { traces: stored } });
    await expectRecovery();
  });

  it('that others filled to the brim: refuses, settles what is claimed, does not spin, and drains when there is room', async () => {
    await begin({ args: ['--maxmemory', '16mb'] });
    const batches = [newBatch('s0'), newBatch('s0'), newBatch('s0')];
    await queue.enqueue(batches);
    const claims = [await queue.claim('s0', 'oldest'), await queue.claim('s0', 'oldest')];
    const admin = adminOf(own);
    const keys = Array.from({ length: 12 }, (_, index) => `foreign:${index}`);
    for (const key of keys) await admin.set(key, Buffer.alloc(1_000_000));
    // Above the mark by more than what buffers come and go.
    await admin.config('SET', 'maxmemory', '8mb');
    expect(await kindOf()).toBe('refused');
    for (const order of ['oldest', 'newest'] as const) {
      const { result, ms } = await timed(() => queue.claim('s0', order).catch(() => 'rejected'));
      expect(result).toBe('rejected');
      expect(ms).toBeLessThan(AT_ONCE_MS);
    }
    const [acked, died] = claims;
    if (acked === undefined || died === undefined) throw new Error('nothing to claim');
    await queue.ack(acked);
    await queue.deadLetter(died, 'no');
    expect(await queue.stats('s0')).toMatchObject({ batches: 1, delivered: { traces: 1 }, deadBatches: 1 });

    const commands = async () =>
      Number(/total_commands_processed:(\d+)/.exec(await admin.info('stats'))?.[1]);
    const before = await commands();
    await sleep(1000);
    expect((await commands()) - before).toBeLessThan(200);

    await admin.del(keys);
    await expect.poll(() => queue.claim('s0', 'oldest').catch(() => undefined)).toBeDefined();
    await expectRecovery();
  });

  it('that cannot save: refuses with that reason, and stores when it can', async () => {
    await begin({ args: ['--enable-protected-configs', 'yes'] });
    const admin = adminOf(own);
    const dir = await mkdtemp(join(tmpdir(), 'otelfan-misconf-'));
    cleanups.push(() => rm(dir, { recursive: true, force: true }));
    await admin.config('SET', 'dir', dir);
    await admin.config('SET', 'save', '3600 1');
    await rm(dir, { recursive: true });
    await admin.bgsave();
    await expect.poll(() => kindOf()).toBe('refused');
    expect(await queue.enqueue([newBatch('s0')])).toEqual({
      kind: 'refused',
      reason:
        'Redis, which holds the queue, cannot write to its disk and takes no writes until it can (MISCONF)',
    });
    const { batches } = await queue.stats('s0');
    await mkdir(dir);
    await admin.config('SET', 'dir', dir);
    await admin.bgsave();
    await expect.poll(() => kindOf()).toBe('stored');
    expect((await queue.stats('s0')).batches).toBe(batches + 1);
    await expectRecovery();
  });

  it('that refuses writes: nothing of a call is stored, and the same batches are stored once it takes them', async () => {
    await begin();
    const admin = adminOf(own);
    const batches = [newBatch('s0'), newBatch('s0'), newBatch('s0')];
    for (const refusal of ['full', 'replica'] as const) {
      if (refusal === 'full') await admin.config('SET', 'maxmemory', '1');
      else await admin.replicaof('127.0.0.1', 1);
      expect(await queue.enqueue(batches)).toEqual({
        kind: 'refused',
        reason: expect.stringMatching(refusal === 'full' ? /maxmemory/ : /replica/),
      });
      await admin.replicaof('NO', 'ONE');
      await admin.config('SET', 'maxmemory', '0');
      expect((await queue.stats('s0')).batches).toBe(0);
      await queue.unavailableReason();
    }
    await expect.poll(async () => (await queue.enqueue(batches)).kind).toBe('stored');
    expect(await queue.stats('s0')).toMatchObject({ batches: 3, accepted: { traces: 3 } });
    await expectConserved(queue);
  });

  it('that forgot its scripts: learns them again within the same call', async () => {
    await begin();
    const [first, second] = [newBatch('s0'), newBatch('s0')];
    await queue.enqueue([first]);
    await adminOf(own).script('FLUSH');
    expect(await queue.enqueue([second])).toEqual({ kind: 'stored' });
    expect(await queue.stats('s0')).toMatchObject({ batches: 2, accepted: { traces: 2 } });
    const claims = [await queue.claim('s0', 'oldest'), await queue.claim('s0', 'oldest')];
    expect(claims.map(claim => claim?.batch)).toEqual([first, second]);
    await expectConserved(queue);
  });

  it('that would evict batches: refuses and says what to change', async () => {
    await begin({ args: ['--maxmemory-policy', 'allkeys-lru'] });
    await expect.poll(() => queue.unavailableReason()).toContain('noeviction');
    expect(await kindOf()).toBe('refused');
  });

  it('that failed over to its replica: goes on there with everything that was replicated', async () => {
    own = await startRedis();
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(own.port)] });
    cleanups.push(() => replica.stop());
    const [oldMaster, newMaster] = [adminOf(own), adminOf(replica)];
    const address = await startAddress(own.port);
    cleanups.push(() => address.close());
    queue = await open(`redis://127.0.0.1:${address.port}`);
    const batches = Array.from({ length: 5 }, () => newBatch('s0'));
    await expect.poll(async () => (await queue.enqueue(batches)).kind).toBe('stored');
    await expect.poll(() => oldMaster.wait(1, 1000)).toBe(1);

    address.leadTo(replica.port);
    await newMaster.replicaof('NO', 'ONE');
    await oldMaster.replicaof('127.0.0.1', replica.port);
    const late = newBatch('s0');
    await expect.poll(() => kindOf(late)).toBe('stored');
    const claimed = [];
    for (let round = 0; round < 6; round += 1) claimed.push((await queue.claim('s0', 'oldest'))?.batch.id);
    expect(claimed.toSorted()).toEqual([...batches, late].map(batch => batch.id).toSorted());
    expect(await newMaster.zcard('otelfan:{otelfan-s0}:batches:ledger')).toBe(6);
    await expectConserved(queue);
  });
});
