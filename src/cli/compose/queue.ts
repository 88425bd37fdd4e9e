import { join } from 'node:path';
import type { Logger } from 'pino';
import type { BatchQueue } from '../../ingest/queue/batch-queue.ts';
import { createBullmqQueue, UnsafeRedisError } from '../../ingest/queue/bullmq-queue.ts';
import { createLmdbQueue } from '../../ingest/queue/lmdb-queue.ts';
import { UnusableQueueError } from '../../ingest/queue/queue-folder.ts';
import { MAX_ASKED_PAUSE_MS } from '../../shared/backoff.ts';
import type { Config } from '../../shared/config/schema.ts';
import { steadyClock, systemClock } from '../../shared/time.ts';
import { UserError } from '../exit-codes.ts';

/** A claim outlives the send it is for, so that no other process sends the batch meanwhile. */
const LEASE_MARGIN_MS = 5_000;

export interface QueueParts {
  readonly config: Config;
  /** Lanes to look after from the start. */
  readonly shards: readonly string[];
  /** False for a process that only stores. Default true. */
  readonly claims?: boolean;
  readonly logger: Logger;
}

/**
 * The queue that the configuration names: the one in Redis, or the one in the data folder.
 * @throws UserError when it cannot be used as it is; a Redis that is away is no reason
 */
export async function openQueue({ config, shards, claims = true, logger }: QueueParts): Promise<BatchQueue> {
  const common = { leaseMs: config.delivery.timeout + LEASE_MARGIN_MS, clock: systemClock, logger };
  const { redis, minFreeBytes, maxBytes } = config.queue;
  try {
    if (redis.url === undefined) {
      return await createLmdbQueue({
        ...common,
        steady: steadyClock,
        dir: queueFolder(config),
        minFreeBytes,
      });
    }
    return await createBullmqQueue({
      ...common,
      url: redis.url,
      cluster: redis.cluster,
      shards,
      claims,
      maxDelayMs: Math.max(config.delivery.retryMax, MAX_ASKED_PAUSE_MS),
      backlogAgeMs: config.delivery.backlogAge,
      requireDurable: redis.requireDurable,
      silenceTimeoutMs: redis.silenceTimeout,
      maxQueueBytes: maxBytes,
    });
  } catch (error) {
    if (error instanceof UnusableQueueError || error instanceof UnsafeRedisError) {
      throw new UserError(error.message);
    }
    throw error;
  }
}

export function queueFolder(config: Config): string {
  return join(config.dataDir, 'queue');
}
