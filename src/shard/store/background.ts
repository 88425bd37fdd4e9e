import { setTimeout as sleep } from 'node:timers/promises';
import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api';
import bindings, { type PreparedStatement } from '@duckdb/node-bindings';

/** DuckDB's own threads, which may have something else to do. */
export interface Background {
  /**
   * Runs a statement that has no rows there, and looks now and then whether it is done. A thread that waits for them in
   * DuckDB does so in a busy loop, which takes as much of the processor again.
   */
  run(statement: DuckDBPreparedStatement): Promise<void>;
}

/** It is looked for after a millisecond, and then after a quarter of the time so far. */
const FIRST_LOOK_MS = 1;
const LAST_LOOKS_MS = 20;
/** How long a read has been open that may hold DuckDB's threads for as long again, so that one of ours joins in. */
const LONG_READ_MS = 250;
/** How long they may have something else to do before: beside such a read, and beside any. */
const LEAST_PATIENCE_MS = 30;
const MOST_PATIENCE_MS = 1000;

/** @param longestReadMs for how long a read has been open; 0 when none is */
export async function openBackground(
  connection: DuckDBConnection,
  longestReadMs: () => number,
): Promise<Background> {
  const setting = await connection.runAndReadAll("SELECT current_setting('threads')");
  // The first of DuckDB's threads is whichever waits for a statement.
  const hasThreads = Number(setting.getRows()[0]?.[0]) > 1;
  return {
    async run(statement) {
      if (hasThreads) await runAndLook(statement, longestReadMs);
      else await statement.run();
    },
  };
}

async function runAndLook(statement: DuckDBPreparedStatement, longestReadMs: () => number): Promise<void> {
  // The wrapper around the bindings cannot tell how a statement is doing without going on with it on this thread.
  // biome-ignore lint/complexity/useLiteralKeys: it is private there, which TypeScript allows to read like this alone.
  const pending = bindings.pending_prepared(statement['prepared_statement'] as PreparedStatement);
  const startMs = performance.now();
  for (let waitedMs = 0; isRunning(bindings.pending_execute_check_state(pending)); ) {
    // A thread that waits for it also begins it, when none of the others has.
    if (waitedMs > patienceMs(longestReadMs())) break;
    await sleep(Math.min(Math.max(FIRST_LOOK_MS, waitedMs / 4), LAST_LOOKS_MS));
    waitedMs = performance.now() - startMs;
  }
  const reason = bindings.pending_error(pending);
  try {
    await bindings.execute_pending(pending);
  } catch (error) {
    // What it says of a statement that has failed by then begins with something else.
    throw reason === '' ? error : new Error(reason, { cause: error });
  }
}

function patienceMs(longestReadMs: number): number {
  if (longestReadMs === 0) return Infinity;
  return longestReadMs > LONG_READ_MS ? LEAST_PATIENCE_MS : MOST_PATIENCE_MS;
}

function isRunning(state: number): boolean {
  const { NO_TASKS_AVAILABLE, RESULT_NOT_READY } = bindings.PendingState;
  return state === NO_TASKS_AVAILABLE || state === RESULT_NOT_READY;
}
