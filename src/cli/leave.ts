/**
 * Ends the process now, whatever its threads do: `process.exit` waits for the thread pool, and with it for the DuckDB
 * query that is the reason to leave. So the process becomes another one, which does nothing but exit.
 */
export function leaveAtOnce(exitCode: number): never {
  const { execPath } = process;
  process.execve?.(execPath, [execPath, '--eval', `process.exit(${exitCode})`], {});
  // Where there is no execve.
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}
