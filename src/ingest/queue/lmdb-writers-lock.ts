import { closeSync, existsSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The lock that one writer of an LMDB file has at a time: a robust mutex of glibc in the lock file, which all processes
 * map. Whoever gives it back wakes one of those who wait, if the mutex is marked as waited for. When that one is killed
 * before it runs, and somebody who did not wait takes the lock, then the mark is gone and the others wait for ever
 * (ADR 33). So every writer sets the mark while it has the lock.
 */
export interface WritersLock {
  /** Called in a transaction of this thread, before the first mark. */
  find(): void;
  /** Called in a transaction: one who waits is woken when that ends. */
  mark(): void;
  /** Not before the LMDB file is closed. */
  close(): void;
}

/** Where the mutex is depends on the size of the one before it, which the machine's architecture decides. */
const PLACES = [64, 128];

/** Its first word is the id of the thread that has it, in little-endian order, and flags. */
const WORD_BYTES = 4;
/** Of the word's last byte, in which no thread's id is large enough to have a bit: FUTEX_WAITERS. */
const WAITED_FOR = Buffer.from([0x80]);

export function openWritersLock(path: string): WritersLock {
  const file = openSync(join(path, 'lock.mdb'), 'r+');
  let markAt: number | undefined;

  function isOfThisProcess(place: number): boolean {
    const word = Buffer.alloc(WORD_BYTES);
    readSync(file, word, 0, WORD_BYTES, place);
    word.writeUInt8(0, WORD_BYTES - 1);
    return existsSync(`/proc/self/task/${word.readUInt32LE()}`);
  }

  return {
    find() {
      // Nowhere with other C libraries, which do not lose those who wait.
      const place = PLACES.find(isOfThisProcess);
      if (place !== undefined) markAt = place + WORD_BYTES - 1;
    },
    mark() {
      if (markAt !== undefined) writeSync(file, WAITED_FOR, 0, WAITED_FOR.length, markAt);
    },
    close: () => closeSync(file),
  };
}
