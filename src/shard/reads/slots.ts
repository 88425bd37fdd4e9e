/**
 * Bounds how many reads run and how many wait: every running query holds one of the process's few libuv threads,
 * which file system calls need too.
 */
export interface Slots {
  /** Runs the work when it is its turn; `undefined` at once when too many wait already. */
  run<T>(work: () => Promise<T>): Promise<T | undefined>;
}

export function createSlots({ running, waiting }: { running: number; waiting: number }): Slots {
  let free = running;
  const queue: (() => void)[] = [];
  return {
    async run(work) {
      if (free > 0) free--;
      else if (queue.length >= waiting) return undefined;
      else await new Promise<void>(turn => queue.push(turn));
      try {
        return await work();
      } finally {
        const next = queue.shift();
        if (next === undefined) free++;
        else next();
      }
    },
  };
}
