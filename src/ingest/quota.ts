import type { Logger } from 'pino';
import { type Component, once } from '../shared/lifecycle.ts';
import type { BatchQueue } from './queue/batch-queue.ts';

/** Watches the queue bytes of each shard, so that the receiver can ask without waiting. */
export interface QueueQuota extends Component {
  fullReason(shard: string): string | undefined;
}

interface QuotaOptions {
  readonly queue: BatchQueue;
  readonly shards: () => readonly string[];
  readonly maxBytes: number;
  readonly intervalMs: number;
  readonly logger: Logger;
}

export function createQueueQuota(options: QuotaOptions): QueueQuota {
  const reasons = new Map<string, string>();
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    for (const shard of options.shards()) {
      const { sizeBytes } = await options.queue.stats(shard);
      const wasFull = reasons.has(shard);
      if (sizeBytes < options.maxBytes) {
        reasons.delete(shard);
        if (wasFull) options.logger.info({ shard, sizeBytes }, 'shard queue has room again');
        continue;
      }
      reasons.set(
        shard,
        `queue of shard ${shard} is full (${sizeBytes} bytes waiting, queue.maxShardBytes is ${options.maxBytes})`,
      );
      if (!wasFull)
        options.logger.warn({ shard, sizeBytes, maxBytes: options.maxBytes }, 'shard queue is full');
    }
  }

  async function lookForever(): Promise<void> {
    try {
      await look();
    } catch (error) {
      options.logger.debug({ err: error }, 'queue depth is unknown');
    }
    if (!isStopped) timer = setTimeout(() => void lookForever(), options.intervalMs);
  }

  const looking = lookForever();
  return {
    fullReason: shard => reasons.get(shard),
    stop: once(async () => {
      isStopped = true;
      clearTimeout(timer);
      await looking;
    }),
  };
}
