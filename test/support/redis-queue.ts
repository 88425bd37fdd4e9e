import { pino } from 'pino';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createBullmqQueue } from '../../src/ingest/queue/bullmq-queue.ts';
import { systemClock } from '../../src/shared/time.ts';

const logger = pino({ level: 'silent' });
const LEASE_MS = 15_000;

/** The queue in a Redis, opened beside the processes that use it, to look at its accounts. */
export function openRedisQueue(url: string): Promise<BatchQueue> {
  return createBullmqQueue({ url, shards: [], leaseMs: LEASE_MS, clock: systemClock, logger });
}
