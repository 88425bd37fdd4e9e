import type { Logger } from 'pino';
import { type Jobs, stalledIntervalMs } from './bullmq-jobs.ts';
import type { RedisAccounts } from './redis-accounts.ts';
import type { ScriptClient } from './script-client.ts';

export interface LaneCareOptions {
  /** Looked at anew each time; lanes are added while this runs. */
  readonly lanes: ReadonlyMap<string, CaredLane>;
  readonly scripts: ScriptClient;
  readonly leaseMs: number;
  /** For which a batch is released at most. */
  readonly maxDelayMs: number;
  readonly isReady: () => boolean;
  readonly logger: Logger;
}

interface CaredLane {
  readonly shard: string;
  readonly jobs: Jobs;
  readonly accounts: RedisAccounts;
}

/** Batches of a lane that one look compares with its jobs. */
const MAX_COMPARED = 500;
const ROUNDS_PER_COMPARISON = 8;

/**
 * Keeps jobs and accounts together whatever happens between them, in every process alike:
 *
 * - a batch whose owner is gone is handed out again when the lease is over;
 * - a batch that was claimed or released before a clock was set back does not wait until it is that late again;
 * - a batch whose job somebody made fail, which only tools outside of otelfan do, becomes a dead letter;
 * - a batch that has no job any more, because somebody cleared the BullMQ queue, gets one again.
 *
 * @returns how to end it.
 */
export function startLaneCare({
  lanes,
  scripts,
  leaseMs,
  maxDelayMs,
  isReady,
  logger,
}: LaneCareOptions): () => void {
  /** Where the next look at a lane's batches begins. */
  const cursors = new Map<CaredLane, number>();

  async function adoptFailed({ shard, jobs, accounts }: CaredLane): Promise<void> {
    for (const { id, reason } of await jobs.failed()) {
      const why = `its job was made to fail outside of otelfan: ${reason || 'no reason given'}`;
      logger.error({ shard, batchId: id, reason: why }, 'failed job set aside');
      await scripts.transact(transaction => {
        accounts.settleIn(transaction, id, { counter: 'deadLettered', reason: why });
        jobs.removeFailed(transaction, id);
      });
    }
  }

  async function restoreJobs(lane: CaredLane): Promise<void> {
    const { shard, jobs, accounts } = lane;
    const from = cursors.get(lane) ?? 0;
    const found = await accounts.jobless({ from, limit: MAX_COMPARED, jobKeyPrefix: jobs.jobKey('') });
    cursors.set(lane, found.count < MAX_COMPARED ? 0 : from + found.count);
    if (found.ids.length === 0) return;
    logger.error({ shard, batches: found.ids.length }, 'batches had lost their jobs; they get new ones');
    await scripts.transact(async transaction => {
      for (const id of found.ids) await jobs.addTo(transaction, id, 'released');
    });
  }

  async function careFor(lane: CaredLane): Promise<void> {
    await lane.jobs.recall(maxDelayMs);
    await lane.jobs.recoverStalled();
    await adoptFailed(lane);
    if (rounds % ROUNDS_PER_COMPARISON === 0) await restoreJobs(lane);
  }

  let rounds = 0;
  let isBusy = false;
  async function round(): Promise<void> {
    if (isBusy || !isReady()) return;
    isBusy = true;
    const outcomes = await Promise.allSettled([...lanes.values()].map(careFor));
    isBusy = false;
    rounds += 1;
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') logger.debug({ err: outcome.reason as unknown }, 'Redis lane error');
    }
  }

  const timer = setInterval(() => void round(), stalledIntervalMs(leaseMs));
  return () => clearInterval(timer);
}
