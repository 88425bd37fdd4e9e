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
/** How long DuckDB's threads may have something else to do before one of ours joins in. */
const PATIENCE_MS = 30;

/** @param areThreadsHeld whether reads may keep DuckDB's threads busy for long now */
export async function openBackground(
  connection: DuckDBConnection,
  areThreadsHeld: () => boolean,
): Promise<Background> {
  const setting = await connection.runAndReadAll("SELECT current_setting('threads')");
  // The first of DuckDB's threads is whichever waits for a statement.
  const hasThreads = Number(setting.getRows()[0]?.[0]) > 1;
  return {
    async run(statement) {
      if (hasThreads) await runAndLook(statement, areThreadsHeld);
      else await statement.run();
    },
  };
}

async function runAndLook(statement: DuckDBPreparedStatement, areThreadsHeld: () => boolean): Promise<void> {
  // The wrapper around the bindings cannot tell how a statement is doing without going on with it on this thread.
  // biome-ignore lint/complexity/useLiteralKeys: it is private there, which TypeScript allows to read like this alone.
  const pending = bindings.pending_prepared(statement['prepared_statement'] as PreparedStatement);
  const startMs = performance.now();
  for (let waitedMs = 0; isRunning(bindings.pending_execute_check_state(pending)); ) {
    // A thread that waits for it also begins it, when none of the others has.
    if (waitedMs > PATIENCE_MS && areThreadsHeld()) break;
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

function isRunning(state: number): boolean {
  const { NO_TASKS_AVAILABLE, RESULT_NOT_READY } = bindings.PendingState;
  return state === NO_TASKS_AVAILABLE || state === RESULT_NOT_READY;
}
