import { mkdir, statfs } from 'node:fs/promises';
import type { Logger } from 'pino';
import { once } from '../../shared/lifecycle.ts';
import type { Clock } from '../../shared/time.ts';
import { createTurnLog } from '../../shared/turn-log.ts';
import { type BatchKey, restoreBatch } from './batch.ts';
import type { BatchQueue, Claim } from './batch-queue.ts';
import { createHolds, type HoldToken } from './holds.ts';
import { openLmdbStore, type Settlement } from './lmdb-store.ts';

export interface LmdbQueueOptions {
  /** Folder of the queue. The caller holds a lock on it: one process at a time. */
  readonly dir: string;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Free disk space below which nothing is stored any more; a full disk fails in worse ways. Default 256 MiB. */
  readonly minFreeBytes?: number;
}

const DEFAULT_MIN_FREE_BYTES = 256 * 1024 ** 2;

/** The embedded queue: one LMDB folder, owned by this process, so claims and delays need no disk. */
export async function createLmdbQueue(options: LmdbQueueOptions): Promise<BatchQueue> {
  const { dir, clock, logger, minFreeBytes = DEFAULT_MIN_FREE_BYTES } = options;
  await mkdir(dir, { recursive: true });
  const store = openLmdbStore(dir);
  const holds = createHolds(clock, options.leaseMs);
  const listeners: ((shard: string) => void)[] = [];
  const turnLog = createTurnLog<unknown>({
    bad: error => logger.error({ err: error }, "the queue's disk does not store batches"),
    good: () => logger.info("the queue's disk stores batches again"),
  });
  let stopped = false;

  const whenOpen = () => (stopped ? Promise.reject(new Error('the queue is stopped')) : Promise.resolve());

  async function lackOfSpace(neededBytes: number): Promise<string | undefined> {
    const { bavail, bsize } = await statfs(dir);
    const free = bavail * bsize;
    if (free - neededBytes >= minFreeBytes) return undefined;
    return `the queue's disk has ${free} bytes free, ${minFreeBytes} must stay free`;
  }

  async function settle(key: BatchKey, as: Settlement): Promise<void> {
    holds.pin(key.id);
    try {
      await store.settle(key, as);
      holds.forget(key.id);
    } catch (error) {
      holds.lease(key.id);
      throw error;
    }
  }

  function oldestFree(shard: string): BatchKey | undefined {
    for (const id of store.waiting(shard)) if (!holds.isHeld(id)) return { shard, id };
    return undefined;
  }

  return {
    async enqueue(batches) {
      await whenOpen();
      try {
        const reason = await lackOfSpace(batches.reduce((sum, batch) => sum + batch.payload.length, 0));
        if (reason !== undefined) return { kind: 'unavailable', reason };
        const shards = await store.add(batches);
        turnLog.good();
        for (const shard of shards) for (const listener of listeners) listener(shard);
        return { kind: 'stored' };
      } catch (error) {
        turnLog.bad(error);
        return { kind: 'unavailable', reason: 'the queue could not write to its disk' };
      }
    },

    async claim(shard) {
      await whenOpen();
      for (let key = oldestFree(shard); key !== undefined; key = oldestFree(shard)) {
        const restored = restoreBatch(store.payload(key), key);
        if (typeof restored !== 'string') return { batch: restored, token: holds.lease(key.id) };
        logger.error({ shard, batchId: key.id, reason: restored }, 'damaged batch set aside');
        await settle(key, { kind: 'dead', atMs: clock.now(), reason: restored });
      }
      return undefined;
    },

    async ack({ batch }) {
      await whenOpen();
      await settle(batch, { kind: 'delivered', atMs: clock.now() });
    },

    async release({ batch, token }: Claim, delayMs) {
      await whenOpen();
      holds.delay(batch.id, token as HoldToken, delayMs);
    },

    async deadLetter({ batch }, reason) {
      await whenOpen();
      await settle(batch, { kind: 'dead', atMs: clock.now(), reason });
    },

    async stats(shard) {
      await whenOpen();
      return store.stats(shard);
    },

    onEnqueued(listener) {
      listeners.push(listener);
    },

    async unavailableReason() {
      await whenOpen();
      return await lackOfSpace(0);
    },

    stop: once(async () => {
      stopped = true;
      await store.close();
    }),
  };
}
