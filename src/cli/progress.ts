import type { Clock } from '../shared/time.ts';
import type { Io } from './io.ts';

/** How far long work is, on stderr: one line that changes for a person, a line now and then for a log. */
export interface Progress {
  update(text: string): void;
  /** Leaves the terminal as it was. */
  clear(): void;
}

interface ProgressOptions {
  readonly stderr: Io['stderr'];
  readonly clock: Clock;
}

const TTY_INTERVAL_MS = 100;
const LOG_INTERVAL_MS = 5000;
const CLEAR_LINE = '\r\u001b[K';

export function createProgress({ stderr, clock }: ProgressOptions): Progress {
  const isTty = stderr.isTTY === true;
  const intervalMs = isTty ? TTY_INTERVAL_MS : LOG_INTERVAL_MS;
  let lastMs = clock.now();
  let isShown = false;
  return {
    update(text) {
      const nowMs = clock.now();
      if (nowMs - lastMs < intervalMs) return;
      lastMs = nowMs;
      stderr.write(isTty ? `${CLEAR_LINE}${text}` : `${text}\n`);
      isShown = isTty;
    },
    clear() {
      if (isShown) stderr.write(CLEAR_LINE);
      isShown = false;
    },
  };
}
