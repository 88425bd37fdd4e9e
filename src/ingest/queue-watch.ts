import type { Logger } from 'pino';
import { type Component, once } from '../shared/lifecycle.ts';
import type { Batch } from './queue/batch.ts';
import type { BatchQueue } from './queue/batch-queue.ts';

/**
 * Knows without waiting whether the queue has room. It looks at the queue again and again, and in between counts
 * what this process stores, so that a bound is overshot by what other processes store between two looks at most.
 */
export interface QueueWatch extends Component {
  /** Why a shard's queue takes nothing more; `undefined` while it has room. Before a request is split. */
  fullReason(shard: string): string | undefined;
  /** Why nothing can be stored at all; `undefined` while something can. For admission. */
  closedReason(): string | undefined;
  /** Batches that this process has put into the queue, or may have. */
  stored(batches: readonly Batch[]): void;
}

export interface QueueWatchOptions {
  readonly queue: Pick<BatchQueue, 'stats' | 'shards' | 'unavailableReason'>;
  /** Shards that may get data now. The queue tells which others hold some. */
  readonly shards: () => readonly string[];
  /** `queue.maxShardBytes` and `queue.maxBytes`. */
  readonly maxShardBytes: number;
  readonly maxBytes: number;
  readonly intervalMs: number;
  readonly logger: Logger;
}

/**
 * A queue whose stored batches the watch counts. Those of an unknown outcome may be there, so they count too, but once
 * however often they are stored again.
 */
export function countStored(
  queue: Pick<BatchQueue, 'enqueue'>,
  watch: Pick<QueueWatch, 'stored'>,
): Pick<BatchQueue, 'enqueue'> {
  const counted = new WeakSet<Batch>();
  return {
    async enqueue(batches) {
      const outcome = await queue.enqueue(batches);
      if (outcome.kind === 'refused') return outcome;
      watch.stored(batches.filter(batch => !counted.has(batch)));
      if (outcome.kind === 'unknown') for (const batch of batches) counted.add(batch);
      return outcome;
    },
  };
}

export function createQueueWatch(options: QueueWatchOptions): QueueWatch {
  const { queue, logger, maxShardBytes, maxBytes } = options;
  /** As of the last look, and what was stored since it began. */
  const known = new Map<string, number>();
  const since = new Map<string, number>();
  let knownTotal = 0;
  let sinceTotal = 0;
  let unavailable: string | undefined;
  const full = new Set<string>();
  let isClosed = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    const before = new Map(since);
    const [reason, shards] = await Promise.allSettled([queue.unavailableReason(), queue.shards()]);
    // Where it does not say, whether batches can be stored shows when they are.
    if (reason.status === 'fulfilled') unavailable = reason.value;
    const found = shards.status === 'fulfilled' ? shards.value : [];
    const all = new Set([...options.shards(), ...known.keys(), ...found]);
    await Promise.all([...all].map(shard => lookAt(shard, before.get(shard) ?? 0)));
    tell();
  }

  /** Lanes may lie on several servers: one that does not answer must not hide the others. */
  async function lookAt(shard: string, storedBefore: number): Promise<void> {
    try {
      const { sizeBytes } = await queue.stats(shard);
      knownTotal += sizeBytes - (known.get(shard) ?? 0);
      known.set(shard, sizeBytes);
      // What was stored before the look is in its figures. What was stored while it looked may be in both.
      add(shard, -storedBefore);
    } catch (error) {
      // What was known is still the best guess.
      logger.debug({ err: error, shard }, 'queue depth is unknown');
    }
  }

  function add(shard: string, sizeBytes: number): void {
    const sum = (since.get(shard) ?? 0) + sizeBytes;
    if (sum === 0) since.delete(shard);
    else since.set(shard, sum);
    sinceTotal += sizeBytes;
  }

  const bytesOf = (shard: string) => (known.get(shard) ?? 0) + (since.get(shard) ?? 0);

  /** One line when a bound is reached and one when there is room again. */
  function tell(): void {
    for (const shard of known.keys()) {
      const sizeBytes = bytesOf(shard);
      const isFull = sizeBytes >= maxShardBytes;
      if (isFull === full.has(shard)) continue;
      if (isFull) {
        full.add(shard);
        logger.warn({ shard, sizeBytes, maxShardBytes }, 'shard queue is full');
      } else {
        full.delete(shard);
        logger.info({ shard, sizeBytes }, 'shard queue has room again');
      }
    }
    const reason = closedReason();
    if ((reason !== undefined) === isClosed) return;
    isClosed = reason !== undefined;
    if (isClosed) logger.warn({ reason }, 'requests are refused: the queue takes nothing');
    else logger.info('requests are taken again: the queue has room');
  }

  function closedReason(): string | undefined {
    if (unavailable !== undefined) return unavailable;
    const totalBytes = knownTotal + sinceTotal;
    if (totalBytes < maxBytes) return undefined;
    return `the queue is full (${totalBytes} bytes waiting for all shards, queue.maxBytes is ${maxBytes})`;
  }

  async function lookForever(): Promise<void> {
    await look();
    if (!isStopped) timer = setTimeout(() => (looking = lookForever()), options.intervalMs);
  }

  let looking = lookForever();
  return {
    fullReason(shard) {
      const sizeBytes = bytesOf(shard);
      if (sizeBytes < maxShardBytes) return undefined;
      return `queue of shard ${shard} is full (${sizeBytes} bytes waiting, queue.maxShardBytes is ${maxShardBytes})`;
    },
    closedReason,
    stored(batches) {
      for (const { shard, payload } of batches) add(shard, payload.length);
    },
    stop: once(async () => {
      isStopped = true;
      clearTimeout(timer);
      await looking;
    }),
  };
}
