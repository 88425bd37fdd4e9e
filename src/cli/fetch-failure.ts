/** Why a `fetch` failed, for a person: it says only "fetch failed" itself; the reason is in its cause. */
export function fetchFailure(error: unknown): string {
  const { cause = error } = error as { cause?: unknown };
  const { code, message } = cause as { code?: unknown; message?: unknown };
  if (code === 'ECONNREFUSED') return 'connection refused; is otelfan running?';
  return String(message || code || cause);
}
