import { createRedisBackend, type IRedisTransaction, Job, type RedisQueueBackend, Worker } from 'bullmq';
import type { Redis } from 'ioredis';

/** Prefix of BullMQ's own keys. */
const PREFIX = 'otelfan';

/** Entries that BullMQ keeps in a lane's stream of events, which nobody reads. */
const MAX_EVENTS = 10;

/** BullMQ gives up on a job that was left by this many dead workers; ours never does. */
const NEVER = 1_000_000_000;

/** A lease that ended is noticed after two checks at most. */
const STALLED_CHECKS_PER_LEASE = 4;

/**
 * Released batches come before fresh ones, as they are older: BullMQ takes jobs without a priority first. A
 * promoted job without one joins that list at its end.
 */
const FRESH_PRIORITY = 1;
const RELEASED_PRIORITY = 0;

/** One lane's jobs: references to batches, with the batch id as job id. All BullMQ specifics live here. */
export interface Jobs {
  /** Key of a job's hash. */
  jobKey(id: string): string;
  /** Puts jobs for these ids into the transaction; one that exists already stays as it is. */
  addTo(transaction: IRedisTransaction, ids: readonly string[]): Promise<void>;
  /** Takes the next due job, whatever its hash says: all that counts is the id. */
  take(lockToken: string): Promise<Job | undefined>;
  /** Ends a job that is ours; without effect when the lock was lost. */
  finish(job: Job, lockToken: string): Promise<void>;
  /** Gives a job back; without effect when the lock was lost. */
  delay(job: Job, lockToken: string, delayMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface JobsOptions {
  readonly client: Redis;
  /** Queue name; its braces make it the hash tag of all keys. */
  readonly name: string;
  readonly leaseMs: number;
  readonly onError: (error: Error) => void;
}

export function createJobs({ client, name, leaseMs, onError }: JobsOptions): Jobs {
  // The same in every process: they share one key that says when the next check is due.
  const stalledInterval = Math.max(1, Math.floor(leaseMs / STALLED_CHECKS_PER_LEASE));
  const worker = new Worker(
    name,
    null,
    {
      connection: client,
      prefix: PREFIX,
      // Neither may ask Redis anything: it need not be there yet, and BullMQ would not ask again.
      skipVersionCheck: true,
      skipWaitingForReady: true,
      lockDuration: leaseMs,
      stalledInterval,
      maxStalledCount: NEVER,
      removeOnComplete: { count: 0 },
    },
    // Claims never block, so the second connection that a Worker opens would be idle.
    (queueName, opts) => createRedisBackend(queueName, opts),
  );
  worker.on('error', onError);
  const backend: RedisQueueBackend = worker.getBackend();
  // BullMQ's own timer pauses for five seconds after a failure and outlives the worker.
  const stalledCheck = setInterval(() => {
    if (client.status === 'ready') void backend.moveStalledJobsToWait().catch(onError);
  }, stalledInterval);

  return {
    jobKey: id => backend.toKey(id),

    async addTo(transaction, ids) {
      // Also makes a full or read-only Redis refuse the transaction as a whole.
      transaction.hset(backend.toKey('meta'), { 'opts.maxLenEvents': MAX_EVENTS });
      for (const id of ids) {
        const job = new Job(worker, 'batch', {}, { jobId: id, priority: FRESH_PRIORITY }, id);
        await backend.addJobToTransaction(transaction, job.asJSON(), id);
      }
    },

    take: lockToken => worker.getNextJob(lockToken, { block: false }),

    async finish(job, lockToken) {
      await unlessLost(job.moveToCompleted(null, lockToken, false));
    },

    async delay(job, lockToken, delayMs) {
      await Promise.all([
        unlessLost(job.changePriority({ priority: RELEASED_PRIORITY })),
        unlessLost(job.moveToDelayed(Date.now() + delayMs, lockToken)),
      ]);
    },

    async close() {
      clearInterval(stalledCheck);
      await worker.close(true);
    },
  };
}

/** The codes with which BullMQ says that a job is gone, not active, or locked by somebody else. */
const LOST = new Set([-1, -2, -3, -6]);

async function unlessLost(change: Promise<unknown>): Promise<void> {
  try {
    await change;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (typeof code !== 'number' || !LOST.has(code)) throw error;
  }
}
