/** Pauses that grow. */
export interface BackoffOptions {
  /** Longest pause after the first failure; doubles from there. */
  readonly initialMs: number;
  readonly maxMs: number;
  /** Evenly from [0, 1). */
  readonly random: () => number;
}

/** A shard may ask for a longer pause than ours, but not for any. */
export const MAX_ASKED_PAUSE_MS = 5 * 60_000;

/**
 * The pause after so many failures in a row, from 1: anything between nothing and the doubled bound ("full jitter"),
 * so that those who failed together do not come back together. It is at least what the shard asked for.
 */
export function backoffMs(failures: number, options: BackoffOptions, askedMs = 0): number {
  const boundMs = Math.min(options.maxMs, options.initialMs * 2 ** (failures - 1));
  return Math.max(options.random() * boundMs, Math.min(askedMs, MAX_ASKED_PAUSE_MS));
}
