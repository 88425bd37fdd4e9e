import type { Logger } from 'pino';
import type { Signal } from '../../shared/otlp/signal.ts';
import type { Clock } from '../../shared/time.ts';
import { createTurnLog } from '../../shared/turn-log.ts';
import type { RefusedRecords } from './partial-success.ts';

/** A lane's log lines: one when something turns bad, one when it is good again, never one per batch. */
export interface LaneLog {
  shardBad(reason: string): void;
  shardGood(): void;
  queueBad(error: unknown): void;
  queueGood(): void;
  /** The shard took a batch, but not these records of it. */
  recordsRefused(signal: Signal, refused: RefusedRecords): void;
  /** The shard took a batch and every record of it. */
  tookAll(): void;
  deadLettered(batchId: string, reason: string): void;
}

export interface LaneLogParts {
  readonly logger: Logger;
  readonly shard: string;
  /** A steady one. */
  readonly clock: Clock;
}

/** A shard that refuses everything is told about this often. */
const DEAD_LETTER_LINE_INTERVAL_MS = 10_000;
/** Of a sender's batches not every one has the records that a shard refuses: it takes all again after so long. */
const CALM_MS = 60_000;

export function createLaneLog({ logger, shard, clock }: LaneLogParts): LaneLog {
  const shardTurns = createTurnLog<string>({
    bad: reason => logger.warn({ shard, reason }, 'shard does not take batches; they wait in the queue'),
    good: () => logger.info({ shard }, 'shard takes batches again'),
  });
  const queueTurns = createTurnLog<unknown>({
    bad: error => logger.warn({ shard, err: error }, 'queue does not hand out batches'),
    good: () => logger.info({ shard }, 'queue hands out batches again'),
  });
  const recordTurns = createTurnLog<{ readonly signal: Signal } & RefusedRecords>({
    bad: refused =>
      logger.warn({ shard, ...refused }, 'shard refuses records of the batches that it takes; they are lost'),
    good: () => logger.info({ shard }, 'shard takes every record again'),
  });
  let lastRefusedMs = Number.NEGATIVE_INFINITY;
  let lastDeadLineMs = Number.NEGATIVE_INFINITY;
  let deadSinceLine = 0;
  return {
    shardBad: shardTurns.bad,
    shardGood: shardTurns.good,
    queueBad: queueTurns.bad,
    queueGood: queueTurns.good,
    recordsRefused(signal, refused) {
      lastRefusedMs = clock.now();
      recordTurns.bad({ signal, ...refused });
    },
    tookAll() {
      if (clock.now() - lastRefusedMs >= CALM_MS) recordTurns.good();
    },
    deadLettered(batchId, reason) {
      deadSinceLine += 1;
      if (clock.now() - lastDeadLineMs < DEAD_LETTER_LINE_INTERVAL_MS) return;
      logger.error({ shard, batchId, reason, batches: deadSinceLine }, 'batches became dead letters');
      lastDeadLineMs = clock.now();
      deadSinceLine = 0;
    },
  };
}
