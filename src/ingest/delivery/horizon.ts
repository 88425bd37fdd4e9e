import type { Clock } from '../../shared/time.ts';
import type { BatchInfo } from '../queue/batch.ts';

type Aged = Pick<BatchInfo, 'id' | 'acceptedAtMs'>;

/**
 * Says when a batch is given up. Its age alone does not: while ingest was stopped, or its lane behind, nobody tried.
 * Past the horizon a batch is given up once this process has failed with it, or with everything that it sent to the
 * shard, a few times over some minutes.
 */
export interface Horizon {
  /** The shard took something, or answered that it never will. */
  answered(batch: Aged): void;
  failed(batch: Aged): void;
  isPassed(batch: Aged): boolean;
  /** Whether the shard has failed with everything for so long that any batch past the horizon is given up. */
  isShardLost(): boolean;
}

export interface HorizonOptions {
  readonly horizonMs: number;
  /** How long a batch past the horizon is tried; not longer than the horizon. */
  readonly triedMs: number;
  /** For ages, which count from another process. */
  readonly clock: Clock;
  /** For how long this process has tried; does not jump. */
  readonly steady: Clock;
}

const MIN_FAILURES = 3;
/** Batches past the horizon that fail one by one on a shard that takes others; the longest known is forgotten. */
const MAX_REMEMBERED = 10_000;

interface Trial {
  readonly sinceMs: number;
  failures: number;
}

export function createHorizon({ horizonMs, triedMs, clock, steady }: HorizonOptions): Horizon {
  const minTrialMs = Math.min(horizonMs, triedMs);
  let shardTrial: Trial | undefined;
  const trials = new Map<string, Trial>();

  const isOld = (batch: Aged) => clock.now() - batch.acceptedAtMs >= horizonMs;
  const isEnough = (trial: Trial | undefined) =>
    trial !== undefined && trial.failures >= MIN_FAILURES && steady.now() - trial.sinceMs >= minTrialMs;
  const more = (trial: Trial | undefined): Trial => ({
    sinceMs: trial?.sinceMs ?? steady.now(),
    failures: (trial?.failures ?? 0) + 1,
  });

  return {
    answered({ id }) {
      shardTrial = undefined;
      trials.delete(id);
    },
    failed(batch) {
      shardTrial = more(shardTrial);
      if (!isOld(batch)) return;
      trials.set(batch.id, more(trials.get(batch.id)));
      const [longestKnown] = trials.keys();
      if (trials.size > MAX_REMEMBERED && longestKnown !== undefined) trials.delete(longestKnown);
    },
    isPassed: batch => isOld(batch) && (isEnough(shardTrial) || isEnough(trials.get(batch.id))),
    isShardLost: () => isEnough(shardTrial),
  };
}
