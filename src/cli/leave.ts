/**
 * Ends the process now, with this exit code, whatever its threads do: `process.exit` waits for the thread pool, and with
 * it for the DuckDB query that is the reason to leave. So the process becomes another one, that only ends.
 */
export function leaveAtOnce(exitCode: number): never {
  const { execPath, env } = process;
  if (process.platform !== 'win32') {
    process.execve?.(execPath, [execPath, '--eval', `process.exit(${exitCode})`], env as Record<string, string>);
  }
  process.kill(process.pid, 'SIGKILL');
  throw new Error('the process outlived its end');
}
