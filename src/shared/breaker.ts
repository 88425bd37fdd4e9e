import { type BackoffOptions, backoffMs } from './backoff.ts';
import type { Clock } from './time.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Keeps a dead shard from being asked for everything at once. Closed: all may go. After some failures in a row, or one
 * that asks for a pause, it is open: nothing goes for a while. Then half-open: a single one goes as the probe; its
 * success closes the breaker, its failure opens it for longer. Any success closes it, also of what was sent before.
 */
export interface Breaker {
  state(): BreakerState;
  /** Milliseconds until something may be sent: 0 for now, Infinity while the probe is on its way. */
  waitMs(): number;
  /** To be called when something is sent, with `waitMs` at 0. */
  attempt(): Attempt;
}

/** Ends with one of these, once. */
export interface Attempt {
  succeeded(): void;
  /** @param askedMs pause that the shard asked for */
  failed(askedMs?: number): void;
  /** Given up, so that nothing is known about the shard. */
  abandoned(): void;
}

export interface BreakerOptions extends BackoffOptions {
  /** A steady one: its pauses must not grow when the time is set. */
  readonly clock: Clock;
  /** Failures in a row that open it. */
  readonly threshold: number;
}

export function createBreaker(options: BreakerOptions): Breaker {
  const { clock, threshold } = options;
  /** In a row, while closed. */
  let failures = 0;
  /** Times it was opened since it was last closed; 0 is closed. */
  let openings = 0;
  let probeAtMs = 0;
  /** Goes up at every turn, so that an attempt knows whether it began before the last one. */
  let turn = 0;
  let probe: Attempt | undefined;

  function open(askedMs: number | undefined): void {
    turn += 1;
    openings += 1;
    probeAtMs = clock.now() + backoffMs(openings, options, askedMs);
    probe = undefined;
  }

  function close(): void {
    failures = 0;
    if (openings === 0) return;
    turn += 1;
    openings = 0;
    probe = undefined;
  }

  return {
    state() {
      if (openings === 0) return 'closed';
      return probe !== undefined || clock.now() >= probeAtMs ? 'half-open' : 'open';
    },

    waitMs() {
      if (openings === 0) return 0;
      return probe === undefined ? Math.max(0, probeAtMs - clock.now()) : Number.POSITIVE_INFINITY;
    },

    attempt() {
      const begun = turn;
      const attempt: Attempt = {
        succeeded: close,
        failed(askedMs) {
          // What went out together fails together: that is one failure.
          if (turn !== begun) return;
          failures += 1;
          if (openings > 0 || failures >= threshold || askedMs !== undefined) open(askedMs);
        },
        abandoned() {
          if (probe === attempt) probe = undefined;
        },
      };
      if (openings > 0) probe = attempt;
      return attempt;
    },
  };
}
