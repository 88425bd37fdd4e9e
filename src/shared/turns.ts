/** Bounds how many pieces of work run at once and how many wait. Whoever waits goes in the order of arrival. */
export interface Turns {
  /**
   * Runs the work when it is its turn; `undefined` at once when too many wait already. Rejects when the signal is
   * aborted before that; from then on the work itself has to heed it.
   */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined>;
}

export function createTurns({ running, waiting }: { running: number; waiting: number }): Turns {
  let free = running;
  const queue = new Set<() => void>();

  /** The turn passes to the caller, from whoever gives it up. */
  function turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      queue.delete(start);
      reject(signal.reason as Error);
    };
    const start = () => {
      signal.removeEventListener('abort', leave);
      resolve();
    };
    signal.addEventListener('abort', leave, { once: true });
    queue.add(start);
    return promise;
  }

  function giveUp(): void {
    const [next] = queue;
    if (next === undefined) {
      free++;
      return;
    }
    queue.delete(next);
    next();
  }

  return {
    async run(work, signal) {
      signal.throwIfAborted();
      if (free > 0) free--;
      else if (queue.size >= waiting) return undefined;
      else await turn(signal);
      try {
        return await work();
      } finally {
        giveUp();
      }
    },
  };
}
