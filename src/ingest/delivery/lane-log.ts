import type { Logger } from 'pino';
import type { Clock } from '../../shared/time.ts';
import { createTurnLog } from '../../shared/turn-log.ts';

/** A lane's log lines: one when something turns bad, one when it is good again, never one per batch. */
export interface LaneLog {
  shardBad(reason: string): void;
  shardGood(): void;
  queueBad(error: unknown): void;
  queueGood(): void;
  deadLettered(batchId: string, reason: string): void;
}

export interface LaneLogParts {
  readonly logger: Logger;
  readonly shard: string;
  readonly clock: Clock;
}

/** A shard that refuses everything is told about this often. */
const DEAD_LETTER_LINE_INTERVAL_MS = 10_000;

export function createLaneLog({ logger, shard, clock }: LaneLogParts): LaneLog {
  const shardTurns = createTurnLog<string>({
    bad: reason => logger.warn({ shard, reason }, 'shard does not take batches; they wait in the queue'),
    good: () => logger.info({ shard }, 'shard takes batches again'),
  });
  const queueTurns = createTurnLog<unknown>({
    bad: error => logger.warn({ shard, err: error }, 'queue does not hand out batches'),
    good: () => logger.info({ shard }, 'queue hands out batches again'),
  });
  let lastDeadLineMs = Number.NEGATIVE_INFINITY;
  let deadSinceLine = 0;
  return {
    shardBad: shardTurns.bad,
    shardGood: shardTurns.good,
    queueBad: queueTurns.bad,
    queueGood: queueTurns.good,
    deadLettered(batchId, reason) {
      deadSinceLine += 1;
      if (clock.now() - lastDeadLineMs < DEAD_LETTER_LINE_INTERVAL_MS) return;
      logger.error({ shard, batchId, reason, batches: deadSinceLine }, 'batches became dead letters');
      lastDeadLineMs = clock.now();
      deadSinceLine = 0;
    },
  };
}
