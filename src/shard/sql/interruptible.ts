import type { DuckDBConnection } from '@duckdb/node-api';
import { keepInterrupting } from '../store/interrupt.ts';

export interface Interruption {
  /** Ends the work, and does nothing once it has ended. */
  interrupt(): void;
  /** The work, whichever way it ends. Must be awaited. */
  readonly done: Promise<void>;
}

/**
 * @param onStuck called once when the work has ignored interrupts for `patienceMs`; it may still settle later
 */
export function interruptible(
  connection: DuckDBConnection,
  work: Promise<unknown>,
  { patienceMs, onStuck }: { readonly patienceMs: number; readonly onStuck: () => void },
): Interruption {
  let stop: (() => void) | undefined;
  let patience: NodeJS.Timeout | undefined;
  let isSettled = false;
  return {
    interrupt() {
      if (isSettled || stop !== undefined) return;
      stop = keepInterrupting(connection);
      patience = setTimeout(onStuck, patienceMs);
    },
    done: (async () => {
      await work.catch(() => undefined);
      isSettled = true;
      stop?.();
      clearTimeout(patience);
    })(),
  };
}
