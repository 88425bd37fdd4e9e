import { createTurns } from '../shared/turns.ts';

/** Bounds how many queries run at once; a few more wait for a while. */
export interface Gate {
  /**
   * Does the work when it is the query's turn. Refused when too many wait already, or when the turn did not come within
   * `waitMs`, or when the signal was aborted before it came.
   */
  pass<T>(work: () => Promise<T>, wait: GateWait): Promise<Passed<T>>;
  running(): number;
  waiting(): number;
}

interface GateWait {
  readonly signal: AbortSignal;
  readonly waitMs: number;
}

type Passed<T> =
  | { readonly kind: 'done'; readonly value: T }
  /** Why, with the settings that bound it. */
  | { readonly kind: 'refused'; readonly reason: string };

export interface GateOptions {
  readonly maxConcurrent: number;
  readonly maxWaiting: number;
}

export function createGate({ maxConcurrent, maxWaiting }: GateOptions): Gate {
  const turns = createTurns({ running: maxConcurrent, waiting: maxWaiting });
  const busy = `${maxConcurrent} queries run (query.maxConcurrent)`;
  let running = 0;
  let waiting = 0;

  return {
    running: () => running,
    waiting: () => waiting,
    async pass(work, { signal, waitMs }) {
      const over = new AbortController();
      const leave = () => over.abort();
      const timer = setTimeout(leave, waitMs);
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
      waiting++;
      let hasBegun = false;
      const begin = () => {
        hasBegun = true;
        clearTimeout(timer);
        waiting--;
        running++;
      };
      try {
        const done = await turns.run(async () => {
          begin();
          return { value: await work() };
        }, over.signal);
        if (done !== undefined) return { kind: 'done', value: done.value };
        return { kind: 'refused', reason: `${busy} and ${maxWaiting} wait (query.maxWaiting)` };
      } catch (error) {
        if (hasBegun) throw error;
        return { kind: 'refused', reason: `${busy}, and none ended within ${waitMs} ms` };
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', leave);
        if (hasBegun) running--;
        else waiting--;
      }
    },
  };
}
