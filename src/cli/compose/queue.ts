import { join } from 'node:path';
import type { Logger } from 'pino';
import type { BatchQueue } from '../../ingest/queue/batch-queue.ts';
import { createBullmqQueue } from '../../ingest/queue/bullmq-queue.ts';
import { createLmdbQueue } from '../../ingest/queue/lmdb-queue.ts';
import type { Config } from '../../shared/config/schema.ts';
import { systemClock } from '../../shared/time.ts';

/** A claim outlives the send it is for, so that no other process sends the batch meanwhile. */
const LEASE_MARGIN_MS = 5_000;

export interface QueueParts {
  readonly config: Config;
  /** Lanes to look after from the start. */
  readonly shards: readonly string[];
  readonly logger: Logger;
}

/** The queue that the configuration names: the one in Redis, or the one in the data folder. */
export function openQueue({ config, shards, logger }: QueueParts): Promise<BatchQueue> {
  const leaseMs = config.delivery.timeout + LEASE_MARGIN_MS;
  const { url } = config.queue.redis;
  if (url !== undefined) return createBullmqQueue({ url, shards, leaseMs, clock: systemClock, logger });
  return createLmdbQueue({ dir: queueFolder(config), leaseMs, clock: systemClock, logger });
}

export function queueFolder(config: Config): string {
  return join(config.dataDir, 'queue');
}
