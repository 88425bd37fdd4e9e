import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';

/**
 * The number of an LMDB file's last commit, in its two places: in the data file, whose two meta pages each have the number
 * of the commit that wrote them; and in the lock file, which all processes map, as what the next transaction comes after.
 * Stable only where a transaction has the lock of the writers.
 */
export interface CommitNumbers {
  /** By the data file. */
  last(): number;
  /** In the lock file. */
  setLast(number: number): void;
  /** Called in a transaction. @throws Error when another version of lmdb has the numbers somewhere else */
  checkPlaces(): void;
  /** Not before the LMDB file is closed. */
  close(): void;
}

/** `mm_txnid` of a meta page, behind the page's header. */
const NUMBER_IN_META = 24 + 128;
/** `mti_txnid`. */
const NUMBER_IN_LOCK = 8;
const NUMBER_BYTES = 8;

export function openCommitNumbers(path: string, root: RootDatabase): CommitNumbers {
  const { pageSize } = root.getStats() as LmdbStats;
  const data = openSync(join(path, 'data.mdb'), 'r');
  const lock = openSync(join(path, 'lock.mdb'), 'r+');
  const numbers = new BigUint64Array(1);

  function read(file: number, at: number): number {
    readSync(file, numbers, 0, NUMBER_BYTES, at);
    return Number(numbers[0]);
  }
  const last = () => Math.max(read(data, NUMBER_IN_META), read(data, pageSize + NUMBER_IN_META));

  return {
    last,
    setLast(number) {
      numbers[0] = BigInt(number);
      writeSync(lock, numbers, 0, NUMBER_BYTES, NUMBER_IN_LOCK);
    },
    checkPlaces() {
      const { lastTxnId } = root.getStats() as LmdbStats;
      const inLock = read(lock, NUMBER_IN_LOCK);
      if (last() === lastTxnId && inLock === lastTxnId) return;
      throw new Error(`lmdb counts ${lastTxnId} commits, its files ${last()} and ${inLock}`);
    },
    close() {
      closeSync(data);
      closeSync(lock);
    },
  };
}

interface LmdbStats {
  readonly pageSize: number;
  readonly lastTxnId: number;
}
