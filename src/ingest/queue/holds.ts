import type { Clock } from '../../shared/time.ts';

/** Names one claim; a later claim of the same batch has another. */
export type HoldToken = symbol;

/** Which batches may not be claimed now, because somebody has them or they were released with a delay. */
export interface Holds {
  isHeld(id: string): boolean;
  /** Holds a batch for the lease. */
  lease(id: string): HoldToken;
  /** Keeps a batch that is being settled, however long that takes. */
  pin(id: string): void;
  /** Ends a claim; the batch is free after the delay. Without effect when the claim has passed to somebody else. */
  delay(id: string, token: HoldToken, delayMs: number): void;
  /** The batch is free, or gone. */
  forget(id: string): void;
}

/** In memory on purpose: claims and delays of a process that died are void. */
export function createHolds(clock: Clock, leaseMs: number): Holds {
  const holds = new Map<string, { readonly untilMs: number; readonly token: HoldToken | undefined }>();
  return {
    isHeld: id => (holds.get(id)?.untilMs ?? 0) > clock.now(),
    lease(id) {
      const token = Symbol(id);
      holds.set(id, { untilMs: clock.now() + leaseMs, token });
      return token;
    },
    pin(id) {
      holds.set(id, { untilMs: Number.POSITIVE_INFINITY, token: undefined });
    },
    delay(id, token, delayMs) {
      if (holds.get(id)?.token !== token) return;
      holds.set(id, { untilMs: clock.now() + delayMs, token: undefined });
    },
    forget(id) {
      holds.delete(id);
    },
  };
}
