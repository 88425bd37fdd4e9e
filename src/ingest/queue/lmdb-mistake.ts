/** LMDB's code for a transaction that must be given up. */
const MDB_BAD_TXN = -30_782;

/** More than one repeat was never seen to be needed. */
export const COMMIT_ATTEMPTS = 4;

/**
 * Saving its list of free pages, lmdb 3.5.6 now and then gives up a sound commit ("reserved freelist had a data entry
 * with zero-size": it looks at a variable before it was set). Nothing of the transaction happened; the next one goes
 * through.
 */
export function isGivenUpByMistake(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === MDB_BAD_TXN;
}
