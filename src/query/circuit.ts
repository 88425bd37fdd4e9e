import { type BreakerOptions, type BreakerState, createBreaker } from '../shared/breaker.ts';
import type { Clock } from '../shared/time.ts';

/** The circuit breaker of one address, with the reason that callers are told while it is open. */
export interface Circuit {
  state(): BreakerState;
  /** Why nothing may be sent now; `undefined` when something may. */
  refusal(): string | undefined;
  /** To be called when something is sent, without a refusal. */
  attempt(): CircuitAttempt;
}

/** Ends with one of these, once. */
interface CircuitAttempt {
  /** The address answered, whatever it said. */
  answered(): void;
  failed(reason: string): void;
  /** Given up, so that nothing is known of the address. */
  abandoned(): void;
}

interface CircuitOptions extends BreakerOptions {
  /** For the time that callers are told. */
  readonly wall: Clock;
}

export function createCircuit(options: CircuitOptions): Circuit {
  const breaker = createBreaker(options);
  let opened: { readonly atMs: number; readonly reason: string } | undefined;
  return {
    state: breaker.state,
    refusal() {
      if (breaker.waitMs() === 0 || opened === undefined) return undefined;
      return `not asked since ${new Date(opened.atMs).toISOString()}, when calls kept failing: ${opened.reason}`;
    },
    attempt() {
      const attempt = breaker.attempt();
      return {
        answered() {
          attempt.succeeded();
          opened = undefined;
        },
        failed(reason) {
          attempt.failed();
          if (breaker.state() !== 'closed') opened ??= { atMs: options.wall.now(), reason };
        },
        abandoned: attempt.abandoned,
      };
    },
  };
}
