import { readFileSync } from 'node:fs';
import { open, type RootDatabase } from 'lmdb';
import { type CommitNumbers, openCommitNumbers } from './lmdb-commit-numbers.ts';
import { openWritersLock, type WritersLock } from './lmdb-writers-lock.ts';

/**
 * An LMDB file that several processes write. What lmdb 3.5.6 does wrong there is put right here (ADR 33): all of a
 * file's changes go through {@link LmdbFile.commit}, and no two processes open or close it at a time.
 */
export interface LmdbFile {
  readonly root: RootDatabase;
  /**
   * Commits a change, or rejects and nothing of it happened. It may be called again, then in another transaction.
   * @param transact runs what it is given in a transaction, which is undone when that throws
   */
  commit<T>(transact: (change: () => T) => T | Promise<T>, change: () => T): Promise<T>;
  close(): Promise<void>;
}

export interface LmdbFileOptions {
  readonly path: string;
  readonly maxDbs: number;
  /** A file should not outgrow it. */
  readonly mapBytes: number;
  /** Commits are not synced to the disk. */
  readonly noSync?: boolean;
}

/** Each process that reads takes one. */
const MAX_READERS = 1024;

/** One repeat is the rule. */
const MOST_ATTEMPTS = 5;

/** @throws what lmdb throws for a folder or a file that cannot be used */
export async function openLmdbFile({ mapBytes, ...options }: LmdbFileOptions): Promise<LmdbFile> {
  const root = open({
    ...options,
    ...(!isAddressSpaceLimited() && { mapSize: mapBytes }),
    maxReaders: MAX_READERS,
    noSubdir: false,
    // A commit then resolves after its fsync. Overlapped, it is visible before, and stays so when the fsync fails.
    overlappingSync: false,
    // Batching by event turn commits through an inner promise whose rejection on a full disk nobody can catch.
    eventTurnBatching: false,
  });
  let numbers: CommitNumbers | undefined;
  let lock: WritersLock | undefined;
  const close = async () => {
    await root.close();
    // Whoever closes a lock file loses all its locks on it.
    numbers?.close();
    lock?.close();
  };
  try {
    numbers = openCommitNumbers(options.path, root);
    lock = openWritersLock(options.path);
    const commit = commitsAfterTheLast(root, numbers, lock);
    // What opening it here may have set back: until somebody commits, no process would see the last commits.
    await commit(
      change => root.transactionSync(change),
      () => {
        numbers?.checkPlaces();
        lock?.find();
      },
    );
    return { root, commit, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Whoever opens a file sets the number of its last commit, for all processes and without the lock that commits take: to
 * an earlier one when somebody commits meanwhile. On that the next commit would be built, and what came after it would be
 * lost. So each one looks, under that lock, and sets the number right.
 */
function commitsAfterTheLast(
  root: RootDatabase,
  numbers: CommitNumbers,
  lock: WritersLock,
): LmdbFile['commit'] {
  function checkIsNext(): void {
    const number = root.getWriteTxnId();
    if (number === 0)
      throw new Error('lmdb begins no transaction any more; the process has to be started again');
    lock.mark();
    const last = numbers.last();
    if (number === last + 1) return;
    numbers.setLast(last);
    throw new OutdatedError(`commit ${number} would come after ${last}`);
  }

  return async (transact, change) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await transact(() => {
          checkIsNext();
          return change();
        });
      } catch (error) {
        const cause = await causeOf(error);
        const mayRepeat = cause instanceof OutdatedError || isGivenUpByMistake(cause);
        if (attempt === MOST_ATTEMPTS || !mayRepeat) throw cause;
      }
    }
  };
}

/** A transaction that begins before the last commit. */
class OutdatedError extends Error {
  override readonly name = 'OutdatedError';
}

/** LMDB's code for a transaction that must be given up. */
const MDB_BAD_TXN = -30_782;

/**
 * Saving its list of free pages, lmdb now and then gives up a sound commit ("reserved freelist had a data entry with
 * zero-size": it looks at a variable before it was set). Nothing of the transaction happened; the next one goes
 * through.
 */
function isGivenUpByMistake(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === MDB_BAD_TXN;
}

/** lmdb rejects with a summary whose `commitError` is a promise that rejects with what the disk said. */
async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  return Promise.resolve(error.commitError).then(
    () => error,
    (cause: unknown) => cause,
  );
}

/** Then lmdb gets no map that is large from the start: where there is no room for it, it ends the process. */
function isAddressSpaceLimited(): boolean {
  if (process.platform !== 'linux') return false;
  return !/^Max address space +unlimited/m.test(readFileSync('/proc/self/limits', 'utf8'));
}
