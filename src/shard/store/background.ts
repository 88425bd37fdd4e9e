import { setTimeout as sleep } from 'node:timers/promises';
import type { DuckDBPreparedStatement } from '@duckdb/node-api';
import bindings, { type PreparedStatement } from '@duckdb/node-bindings';

/** What is looked for after one millisecond, and then after a quarter of the time so far. */
const FIRST_LOOK_MS = 1;
const LAST_LOOKS_MS = 20;
/** How long DuckDB's threads may be busy with something else before one of ours joins in. */
const PATIENCE_MS = 30;

/**
 * Runs a statement that has no rows on DuckDB's own threads, and looks now and then whether it is done. A thread that
 * waits for them in DuckDB does so in a busy loop, which takes as much of the processor again.
 * @param mayBeBusy whether something else may hold those threads: after a while the statement is waited for that way
 *   after all, as the thread that waits takes over what none of them has begun
 */
export async function runInBackground(
  statement: DuckDBPreparedStatement,
  mayBeBusy: () => boolean,
): Promise<void> {
  // The wrapper around the bindings cannot tell how a statement is doing without going on with it on this thread.
  // biome-ignore lint/complexity/useLiteralKeys: it is private there, which TypeScript allows to read like this alone.
  const pending = bindings.pending_prepared(statement['prepared_statement'] as PreparedStatement);
  const startMs = performance.now();
  for (let waitedMs = 0; isRunning(bindings.pending_execute_check_state(pending)); ) {
    if (waitedMs > PATIENCE_MS && mayBeBusy()) break;
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
