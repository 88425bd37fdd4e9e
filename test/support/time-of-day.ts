import { vi } from 'vitest';

const realNow = Date.now;

/** Sets the time of day of this process so far off; 0 sets it right. What does not follow it goes on. */
export function setTimeOfDay(offsetMs: number): void {
  vi.restoreAllMocks();
  if (offsetMs !== 0) vi.spyOn(Date, 'now').mockImplementation(() => realNow.call(Date) + offsetMs);
}
