/** The reason of an abort by a deadline, as `AbortSignal.timeout` gives it. */
export function deadlineReason(message: string): DOMException {
  return new DOMException(message, 'TimeoutError');
}

export function isDeadline(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'TimeoutError';
}

/** Of a read's time what is left for merging and answering. */
const ANSWER_SHARE = 0.1;
const MAX_ANSWER_MS = 500;

/** The part of a read's time that its shards have. */
export function shardTimeoutMs(timeoutMs: number): number {
  return Math.max(1, Math.round(timeoutMs - Math.min(timeoutMs * ANSWER_SHARE, MAX_ANSWER_MS)));
}

/**
 * Of the time that is left when a first shard has answered one of several rounds, what the others have: one that hangs
 * must leave time for the next rounds of the others, while shards that are all slow may take all of it.
 */
export const LAGGARD_SHARE = 2 / 3;

/** So long a read waits for its turn at most, so that enough is left to answer in. */
export function waitingTimeMs(timeoutMs: number): number {
  return timeoutMs / 2;
}
