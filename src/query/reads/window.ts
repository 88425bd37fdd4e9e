/** What an aggregate is over. Of everything stored, and of all services, where a member is absent. */
export interface Window {
  /** Start of the window, inclusive; there is no end. */
  readonly fromNs?: string | undefined;
  readonly service?: string | undefined;
}

/** Of summary and anomalies: an hour. */
export const DEFAULT_WINDOW_NS = 3_600_000_000_000n;

export function secondsOf(windowNs: bigint): number {
  return Number(windowNs / 1_000_000_000n);
}
