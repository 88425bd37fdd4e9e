import {
  createRedisBackend,
  type IRedisTransaction,
  type JobJson,
  type MinimalJob,
  type RedisQueueBackend,
} from 'bullmq';
import { laneKeys, laneName, PREFIX } from './redis-keys.ts';
import { FRESH_FIRST_SCRIPT, RECALL_SCRIPT } from './redis-scripts.ts';
import type { ScriptClient, ScriptTransaction } from './script-client.ts';

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

/** In the scores of delayed jobs BullMQ leaves room for so many in one millisecond. */
const DELAYED_PER_MS = 4096;

/** Failed jobs that one look adopts. */
const MAX_ADOPTED = 100;

/** One lane's jobs: references to batches, with the batch id as job id. All BullMQ specifics live here. */
export interface Jobs {
  /** Key of a job's hash. */
  jobKey(id: string): string;
  /** Puts a job into the transaction; one that exists already stays as it is. `released` ones come first. */
  addTo(transaction: ScriptTransaction, id: string, kind: 'fresh' | 'released'): Promise<void>;
  /**
   * Takes the next due job, whatever its hash says: all that counts is the id. Given `backlogUntilMs`, fresh jobs
   * come first: in order, or the last to arrive while the next in order was accepted before that time.
   */
  take(lockToken: string, backlogUntilMs?: number): Promise<string | undefined>;
  /** Ends a job that is ours; without effect when the lock was lost. */
  finish(id: string, lockToken: string): Promise<void>;
  /** Gives a job back; without effect when the lock was lost. */
  delay(id: string, lockToken: string, delayMs: number): Promise<void>;
  /** Lets jobs whose lease ended be taken again; to be called in every process at the same interval. */
  recoverStalled(): Promise<void>;
  /**
   * Has jobs be due now that would only be in longer than that, and leases end that would last for longer than one: a
   * clock was set back, ours or that of Redis.
   */
  recall(maxDelayMs: number): Promise<void>;
  /** Jobs that somebody else has made fail, which nothing of ours does, with what they say about it. */
  failed(): Promise<FailedJob[]>;
  isFailed(id: string): Promise<boolean>;
  /** Removes a failed job in the transaction. */
  removeFailed(transaction: ScriptTransaction, id: string): void;
}

interface FailedJob {
  readonly id: string;
  readonly reason: string;
}

/** What the lanes of a process share: their scripts and settings. */
export interface BullmqBackend {
  readonly root: RedisQueueBackend;
  readonly scripts: ScriptClient;
  readonly leaseMs: number;
}

export function createBullmqBackend(scripts: ScriptClient, leaseMs: number): BullmqBackend {
  const options = {
    connection: scripts.bullmq,
    prefix: PREFIX,
    // Neither may ask Redis anything: it need not be there yet, and BullMQ would not ask again.
    skipVersionCheck: true,
    skipWaitingForReady: true,
    lockDuration: leaseMs,
    // The same in every process: they share one key that says when the next check is due.
    stalledInterval: stalledIntervalMs(leaseMs),
    maxStalledCount: NEVER,
  };
  const root = createRedisBackend('otelfan', options);
  // Whoever made the connection hears of its errors; an event without a listener would end the process.
  root.on('error', () => undefined);
  return { root, scripts, leaseMs };
}

/** How often {@link Jobs.recoverStalled} is called. */
export function stalledIntervalMs(leaseMs: number): number {
  return Math.max(1, Math.floor(leaseMs / STALLED_CHECKS_PER_LEASE));
}

export function createJobs({ root, scripts, leaseMs }: BullmqBackend, shard: string): Jobs {
  const backend = root.forQueue(laneName(shard)) as RedisQueueBackend;
  const ledgerKey = laneKeys(shard).ledger;
  const key = (name: string) => backend.toKey(name);

  return {
    jobKey: key,

    async addTo(transaction, id, kind) {
      // Also makes a full or read-only Redis refuse the transaction as a whole.
      transaction.call('hset', key('meta'), 'opts.maxLenEvents', MAX_EVENTS);
      const priority = kind === 'fresh' ? FRESH_PRIORITY : RELEASED_PRIORITY;
      const job = { name: 'batch', data: '{}', timestamp: Date.now(), opts: { priority } } as JobJson;
      await backend.addJobToTransaction(transaction.bullmq as IRedisTransaction, job, id);
    },

    async take(lockToken, backlogUntilMs) {
      if (backlogUntilMs !== undefined) {
        // Sent before and not waited for: only the order depends on it.
        void scripts
          .run(FRESH_FIRST_SCRIPT, [key('prioritized'), key('wait'), ledgerKey], [backlogUntilMs])
          .catch(() => undefined);
      }
      const [, id] = (await backend.moveToActive(lockToken)) as [unknown, string | 0 | undefined];
      return id || undefined;
    },

    async finish(id, lockToken) {
      const job = { id, opts: {} } as MinimalJob;
      await unlessLost(backend.moveToCompleted(job, null, true, lockToken, false));
    },

    async delay(id, lockToken, delayMs) {
      const options = { skipAttempt: true, fieldsToUpdate: { priority: RELEASED_PRIORITY } };
      await unlessLost(backend.moveToDelayed(id, Date.now(), delayMs, lockToken, options));
    },

    async recoverStalled() {
      await backend.moveStalledJobsToWait();
    },

    async recall(maxDelayMs) {
      const nowMs = Date.now();
      const scores = [nowMs, nowMs + maxDelayMs + 1].map(ms => ms * DELAYED_PER_MS);
      const keys = ['delayed', 'active', 'stalled-check'].map(key);
      await scripts.run(RECALL_SCRIPT, keys, [...scores, leaseMs, key('')]);
    },

    async failed() {
      const ids = await scripts.bullmq.zrange(key('failed'), 0, MAX_ADOPTED - 1);
      return Promise.all(
        ids.map(async id => ({ id, reason: (await scripts.bullmq.hget(key(id), 'failedReason')) ?? '' })),
      );
    },

    isFailed: id => backend.isJobInState('failed', id),

    removeFailed(transaction, id) {
      transaction.call('zrem', key('failed'), id);
      transaction.call('del', key(id));
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
