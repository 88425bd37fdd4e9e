import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { once } from '../../shared/lifecycle.ts';
import type { Clock } from '../../shared/time.ts';
import { createTurnLog } from '../../shared/turn-log.ts';
import { type Batch, restoreBatch } from './batch.ts';
import type { BatchQueue, Claim, ClaimOrder, EnqueueOutcome } from './batch-queue.ts';
import { createFreeSpace } from './free-space.ts';
import { type HoldsOptions, type HoldToken, openHolds, resetHolds } from './holds.ts';
import { createLmdbDeadLetters } from './lmdb-dead-letters.ts';
import { probeLmdb } from './lmdb-probe.ts';
import { type BatchPlace, createLmdbStore, type Settlement } from './lmdb-store.ts';
import { openLmdbTables } from './lmdb-tables.ts';
import { networkDisk } from './network-disk.ts';
import { joinFolder, UnusableQueueError } from './queue-folder.ts';

export interface LmdbQueueOptions {
  /** Folder of the queue. Any number of processes may have it open; one of them at most once. */
  readonly dir: string;
  readonly leaseMs: number;
  readonly clock: Clock;
  /** For leases and delays, the same for all processes on the folder; does not jump. */
  readonly steady: Clock;
  readonly logger: Logger;
  /** Free disk space below which nothing is stored any more; a full disk fails in worse ways. Default 256 MiB. */
  readonly minFreeBytes?: number;
}

const DEFAULT_MIN_FREE_BYTES = 256 * 1024 ** 2;

/**
 * The embedded queue: one LMDB folder that the processes of one machine share.
 *
 * @throws UnusableQueueError when the folder cannot be used.
 */
export async function createLmdbQueue(options: LmdbQueueOptions): Promise<BatchQueue> {
  const { dir, leaseMs, clock, steady, logger, minFreeBytes = DEFAULT_MIN_FREE_BYTES } = options;
  const self = await joinFolder({ dir, clock: steady, whenFirst: () => prepare(dir) });
  await warnOfNetworkDisk(dir, logger);
  const { tables, holds } = await self
    .alone(() => openFiles({ dir, self, leaseMs, clock: steady }))
    .catch(async (error: unknown) => {
      await self.leave();
      throw error;
    });
  const store = createLmdbStore(tables);
  const deadLetters = createLmdbDeadLetters(tables);
  const freeSpace = createFreeSpace({ dir, minFreeBytes, clock: steady });
  const listeners = new Set<(shard: string) => void>();
  const turnLog = createTurnLog<unknown>({
    bad: error => logger.error({ err: error }, "the queue's disk does not store batches"),
    good: () => logger.info("the queue's disk stores batches again"),
  });
  const calls = new Set<Promise<unknown>>();
  let stopped = false;

  /** Reads see what any process committed before the call. */
  async function run<T>(act: () => T | Promise<T>): Promise<T> {
    if (stopped) throw new Error('the queue is stopped');
    tables.refresh();
    return await act();
  }

  function whenOpen<T>(act: () => T | Promise<T>): Promise<T> {
    const call = run(act);
    const end = () => calls.delete(call);
    calls.add(call);
    call.then(end, end);
    return call;
  }

  /** Runs a change that stores batches, if there is room for them. A failed commit stores nothing. */
  async function storing(
    batches: readonly Batch[],
    change: () => Promise<ReadonlySet<string>>,
  ): Promise<EnqueueOutcome> {
    try {
      const reason = await freeSpace.take(batches.reduce((sum, batch) => sum + batch.payload.length, 0));
      if (reason !== undefined) return { kind: 'refused', reason };
      const shards = await change();
      turnLog.good();
      for (const shard of shards) for (const listener of listeners) listener(shard);
      return { kind: 'stored' };
    } catch (error) {
      turnLog.bad(error);
      return { kind: 'refused', reason: 'the queue could not write to its disk' };
    }
  }

  async function settle(place: BatchPlace, as: Settlement): Promise<ReadonlySet<string>> {
    const shards = await store.settle(place, as);
    // Not before the batch left its lane: whoever gets the hold then sees that it is gone.
    await holds.forget(place);
    return shards;
  }

  async function claim(shard: string, order: ClaimOrder): Promise<Claim | undefined> {
    for (const place of store.waiting(shard, order)) {
      const token = await holds.lease(place);
      if (token === undefined) continue;
      if (!store.isQueued(place)) {
        await holds.forget(place);
        continue;
      }
      const restored = restoreBatch(store.payload(place), place);
      if (typeof restored !== 'string') return { batch: restored, token };
      logger.error({ shard, batchId: place.id, reason: restored }, 'damaged batch set aside');
      await settle(place, { kind: 'dead', atMs: clock.now(), reason: restored });
    }
    return undefined;
  }

  const closeFiles = once(async () => {
    await tables.close();
    await holds.close();
  });

  const settled = async ({ batch }: Claim, as: Settlement): Promise<void> => {
    await settle(batch, as);
  };

  return {
    enqueue: batches => whenOpen(() => storing(batches, () => store.add(batches))),
    claim: (shard, order) => whenOpen(() => claim(shard, order)),
    ack: claimed => whenOpen(() => settled(claimed, { kind: 'delivered', atMs: clock.now(), except: [] })),
    ackExcept: (claimed, except) =>
      whenOpen(() => settled(claimed, { kind: 'delivered', atMs: clock.now(), except })),
    release: ({ batch, token }, delayMs) => whenOpen(() => holds.delay(batch, token as HoldToken, delayMs)),
    deadLetter: (claimed, reason) =>
      whenOpen(() => settled(claimed, { kind: 'dead', atMs: clock.now(), reason })),
    reroute: ({ batch }, batches) =>
      whenOpen(() =>
        storing(batches, () => settle(batch, { kind: 'rerouted', atMs: clock.now(), as: batches })),
      ),
    deadLetters: (shard, page) => whenOpen(() => deadLetters.page(shard, page)),
    deadLetterBatch: key => whenOpen(() => deadLetters.read(key)),
    replay: key => whenOpen(() => deadLetters.replay(key)),
    purge: key => whenOpen(() => deadLetters.purge(key, clock.now())),
    shards: () => whenOpen(() => store.shards()),
    stats: shard => whenOpen(() => store.stats(shard)),
    audit: shard => whenOpen(() => store.audit(shard)),
    unavailableReason: () => whenOpen(() => freeSpace.take(0)),
    // The disk is what it needs, and its commits are synced.
    standing: () => ({ risks: [], memoryShare: undefined }),

    onEnqueued(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    stop: once(async () => {
      stopped = true;
      await Promise.allSettled(calls);
      // A full disk has no room for the lock.
      await self.alone(closeFiles).catch(closeFiles);
      await self.leave();
    }),
  };
}

async function warnOfNetworkDisk(dir: string, logger: Logger): Promise<void> {
  const fileSystem = networkDisk((await statfs(dir)).type);
  if (fileSystem === undefined) return;
  logger.warn(
    { dir, fileSystem },
    'LMDB can lose data on a network file system: put the data folder on a local disk, or use Redis',
  );
}

async function openFiles(options: HoldsOptions) {
  const tables = await openLmdbTables(options.dir);
  try {
    return { tables, holds: await openHolds(options) };
  } catch (error) {
    await tables.close();
    throw error;
  }
}

/** What only the first of the processes on the folder may do, and has to. */
async function prepare(dir: string): Promise<void> {
  const damage = await probeLmdb(dir);
  if (damage !== undefined) {
    throw new UnusableQueueError(
      `queue file ${join(dir, 'data.mdb')} is damaged (${damage}). To set it aside and start with an empty queue: mv ${quote(dir)} ${quote(`${dir}.damaged`)}`,
    );
  }
  await (await openLmdbTables(dir)).close();
  // Claims of processes that are gone; after a power cut the file may not even be sound.
  await resetHolds(dir);
}

/** As a shell takes it. */
function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
