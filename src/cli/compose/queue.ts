import { join } from 'node:path';
import type { Logger } from 'pino';
import type { BatchQueue } from '../../ingest/queue/batch-queue.ts';
import { createBullmqQueue } from '../../ingest/queue/bullmq-queue.ts';
import { createLmdbQueue } from '../../ingest/queue/lmdb-queue.ts';
import { UnusableQueueError } from '../../ingest/queue/queue-folder.ts';
import type { Config } from '../../shared/config/schema.ts';
import { systemClock } from '../../shared/time.ts';
import { UserError } from '../exit-codes.ts';

/** A claim outlives the send it is for, so that no other process sends the batch meanwhile. */
const LEASE_MARGIN_MS = 5_000;

export interface QueueParts {
  readonly config: Config;
  /** Lanes to look after from the start. */
  readonly shards: readonly string[];
  readonly logger: Logger;
}

/** The queue that the configuration names: the one in Redis, or the one in the data folder. */
export async function openQueue({ config, shards, logger }: QueueParts): Promise<BatchQueue> {
  const leaseMs = config.delivery.timeout + LEASE_MARGIN_MS;
  const { url } = config.queue.redis;
  if (url !== undefined) return createBullmqQueue({ url, shards, leaseMs, clock: systemClock, logger });
  const { minFreeBytes } = config.queue;
  try {
    return await createLmdbQueue({
      dir: queueFolder(config),
      leaseMs,
      minFreeBytes,
      clock: systemClock,
      logger,
    });
  } catch (error) {
    if (error instanceof UnusableQueueError) throw new UserError(error.message);
    throw error;
  }
}

export function queueFolder(config: Config): string {
  return join(config.dataDir, 'queue');
}
