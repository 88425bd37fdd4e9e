import type { Clock } from '../../shared/time.ts';

/**
 * How many batches may be on the way to a shard at once, found by trying: one more after every round in which all
 * that was allowed was used and succeeded (additive increase), half of it when the shard cannot keep up
 * (multiplicative decrease), which shows as a failure or as answers that take much longer than they used to.
 */
export interface Concurrency {
  /** From 1 to the bound. */
  limit(): number;
  /** @param inFlight how many are on the way with this one */
  started(inFlight: number): Sent;
}

/** Ends with one of these, or with none when it was given up. */
interface Sent {
  succeeded(): void;
  failed(): void;
}

export interface ConcurrencyOptions {
  readonly max: number;
  readonly clock: Clock;
}

/** Weights of the newest answer in the recent and in the usual latency. */
const RECENT = 0.3;
const USUAL = 0.02;
/** Recent answers are slow when they take this many times what is usual, and so much longer at least. */
const SLOW_FACTOR = 3;
const SLOW_BY_MS = 100;

export function createConcurrency({ max, clock }: ConcurrencyOptions): Concurrency {
  let limit = max;
  let successes = 0;
  /** Decreases so far, so that a batch knows whether it went out before the last one. */
  let decreases = 0;
  let recentMs: number | undefined;
  let usualMs: number | undefined;

  function decrease(decreasesBefore: number): void {
    successes = 0;
    // Those that were on the way when the limit fell say nothing about the new one.
    if (decreases !== decreasesBefore) return;
    limit = Math.max(1, Math.floor(limit / 2));
    decreases += 1;
    // What is slow is the usual from here on, or it would go down to 1 for a single change of pace.
    usualMs = recentMs;
  }

  function isSlow(latencyMs: number): boolean {
    recentMs = average(recentMs, latencyMs, RECENT);
    usualMs = average(usualMs, latencyMs, USUAL);
    return recentMs > usualMs * SLOW_FACTOR && recentMs > usualMs + SLOW_BY_MS;
  }

  return {
    limit: () => limit,
    started(inFlight) {
      const startedAtMs = clock.now();
      const decreasesBefore = decreases;
      const usesLimit = inFlight >= limit;
      return {
        succeeded() {
          if (isSlow(clock.now() - startedAtMs)) return decrease(decreasesBefore);
          if (!usesLimit || limit >= max) return;
          successes += 1;
          if (successes < limit) return;
          limit += 1;
          successes = 0;
        },
        failed: () => decrease(decreasesBefore),
      };
    },
  };
}

function average(before: number | undefined, value: number, weight: number): number {
  return before === undefined ? value : before + weight * (value - before);
}
