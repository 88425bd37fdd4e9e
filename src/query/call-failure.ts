/** A call that ran over one of its limits. The message is the reason that is told. */
export class LimitReached extends Error {}

/** Why an answer that had begun did not come to its end. */
export function cutOffReason(error: unknown): string {
  return error instanceof LimitReached ? error.message : `answer was cut off (${codeOf(error)})`;
}

/** Why no answer began. */
export function unreachableReason(error: unknown): string {
  return error instanceof LimitReached ? error.message : `connection failed (${codeOf(error)})`;
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
