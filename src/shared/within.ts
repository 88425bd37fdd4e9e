import { setTimeout as sleep } from 'node:timers/promises';

/** What comes of the work, or `undefined` when it failed or takes longer than that; it goes on unheard then. */
export async function within<T>(timeLimitMs: number, work: Promise<T>): Promise<T | undefined> {
  const over = new AbortController();
  const timeLimit = sleep(timeLimitMs, undefined, { signal: over.signal }).catch(() => undefined);
  try {
    return await Promise.race([work, timeLimit]);
  } catch {
    return undefined;
  } finally {
    over.abort();
  }
}
