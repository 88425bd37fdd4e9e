import type { DuckDBConnection } from '@duckdb/node-api';

export interface Interruption {
  /** Ends the work, and does nothing once it has ended. An interrupt that finds a query still waiting for a thread is lost, so it is repeated. */
  interrupt(): void;
  /** The work, whichever way it ends. Must be awaited. */
  readonly done: Promise<void>;
}

const INTERRUPT_EVERY_MS = 50;

/**
 * @param onStuck called once when the work has ignored interrupts for `patienceMs`; it may still settle later
 */
export function interruptible(
  connection: DuckDBConnection,
  work: Promise<unknown>,
  { patienceMs, onStuck }: { readonly patienceMs: number; readonly onStuck: () => void },
): Interruption {
  let repeat: NodeJS.Timeout | undefined;
  let patience: NodeJS.Timeout | undefined;
  let isSettled = false;
  return {
    interrupt() {
      if (isSettled || repeat !== undefined) return;
      connection.interrupt();
      repeat = setInterval(() => connection.interrupt(), INTERRUPT_EVERY_MS);
      patience = setTimeout(onStuck, patienceMs);
    },
    done: (async () => {
      await work.catch(() => undefined);
      isSettled = true;
      clearInterval(repeat);
      clearTimeout(patience);
    })(),
  };
}
