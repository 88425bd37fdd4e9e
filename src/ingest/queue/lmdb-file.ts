import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { reopenLmdb } from './lmdb-reopen.ts';

/**
 * An LMDB file that several processes write. What lmdb 3.5.6 does wrong there is put right here (ADR 33), so all of a
 * file's changes go through {@link LmdbFile.commit}.
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
  /** Commits are not synced to the disk. */
  readonly noSync?: boolean;
}

/**
 * Address space, which costs nothing. lmdb replaces the map of a file that outgrows it: by two threads at a time where
 * another process made it grow, and then one of them unmaps what is not its own.
 */
const MAP_BYTES = 2 ** 40;

/** One repeat is the rule. */
const MOST_ATTEMPTS = 10;

/** @throws what lmdb throws for a folder or a file that cannot be used */
export async function openLmdbFile({ path, ...options }: LmdbFileOptions): Promise<LmdbFile> {
  const root = open({
    ...options,
    path,
    noSubdir: false,
    mapSize: MAP_BYTES,
    // A commit then resolves after its fsync. Overlapped, it is visible before, and stays so when the fsync fails.
    overlappingSync: false,
    // Batching by event turn commits through an inner promise whose rejection on a full disk nobody can catch.
    eventTurnBatching: false,
  });
  const meta = openMeta(path, root);

  /**
   * Whoever opens a file sets the number of its last commit, for all processes and without the lock that commits take:
   * to an earlier one when somebody commits meanwhile. On that the next commit would be built, and what came after it
   * would be lost. Only asked where a transaction has the lock.
   */
  function checkLatest(): void {
    if (root.getWriteTxnId() !== meta.lastCommit() + 1) throw new OutdatedError('a commit was left out');
  }

  let reopening: Promise<void> | undefined;
  /** Opening the file once more sets the number right, as nobody commits before it is. */
  function setLatest(): Promise<void> {
    reopening ??= reopenLmdb(path).finally(() => {
      reopening = undefined;
    });
    return reopening;
  }

  const commit: LmdbFile['commit'] = async (transact, change) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await transact(() => {
          checkLatest();
          return change();
        });
      } catch (error) {
        const cause = await causeOf(error);
        if (attempt === MOST_ATTEMPTS) throw cause;
        if (cause instanceof OutdatedError) await setLatest();
        else if (!isGivenUpByMistake(cause)) throw cause;
      }
    }
  };

  // What opening it here may have set: until a commit notices, no process would see the last ones.
  await commit(
    change => root.transactionSync(change),
    () => meta.check(),
  );
  return {
    root,
    commit,
    async close() {
      meta.close();
      await root.close();
    },
  };
}

/** A transaction that begins before the last commit. */
class OutdatedError extends Error {
  override readonly name = 'OutdatedError';
}

/** Where a meta page has the number of the commit that wrote it: behind the header of a page, `mm_txnid`. */
const COMMIT_AT = 24 + 128;

/** The two pages of which each commit writes the older one. */
function openMeta(path: string, root: RootDatabase) {
  const file = openSync(join(path, 'data.mdb'), 'r');
  const { pageSize } = root.getStats() as LmdbStats;
  const numbers = new BigUint64Array(2);
  const lastCommit = (): number => {
    readSync(file, numbers, 0, 8, COMMIT_AT);
    readSync(file, numbers, 8, 8, pageSize + COMMIT_AT);
    return Math.max(Number(numbers[0]), Number(numbers[1]));
  };
  return {
    lastCommit,
    /** While nobody commits. @throws Error when another version of lmdb has the numbers somewhere else */
    check(): void {
      const { lastTxnId } = root.getStats() as LmdbStats;
      if (lastTxnId !== lastCommit())
        throw new Error(`lmdb counts ${lastTxnId} commits, its file ${lastCommit()}`);
    },
    close: () => closeSync(file),
  };
}

interface LmdbStats {
  readonly pageSize: number;
  readonly lastTxnId: number;
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
