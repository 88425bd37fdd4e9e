import { closeSync, existsSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The lock that one writer of an LMDB file has at a time: a robust mutex of glibc in the lock file, which all processes
 * map. Whoever gives it back wakes one of those who wait, if the mutex is marked as waited for. When that one is killed
 * before it runs, and somebody who did not wait takes the lock, then the mark is gone and the others wait for ever
 * (ADR 33). So every writer sets the mark while it has the lock.
 */
export interface WritersLock {
  /** Finds the lock and marks it. Called in a transaction of this process, before {@link mark}. */
  find(): void;
  /**
   * One who waits is woken when the transaction that it is called in ends. Never without one: a lock that is marked and
   * nobody's is free for nobody.
   */
  mark(): void;
  /** Not before the LMDB file is closed. */
  close(): void;
}

/** Where the mutex is depends on the size of the one before it, which the machine's architecture decides. */
const PLACES = [64, 128];

/** Of `pthread_mutex_t`: `__lock` is the id of the thread that has it and flags in the last byte, in little-endian order. */
const LOCK_AT = 0;
const FLAGS_AT = 3;
/** The thread's id alone. */
const OWNER_AT = 8;
const FLAGS = 0xff_00_00_00;

/** No thread's id reaches into the byte of the flags, and the other flag (FUTEX_OWNER_DIED) is not set while there is an owner. */
const FUTEX_WAITERS = Buffer.of(0x80);

export function openWritersLock(path: string): WritersLock {
  const file = openSync(join(path, 'lock.mdb'), 'r+');
  let flagsAt: number | undefined;

  function read(at: number): number {
    const word = Buffer.alloc(4);
    readSync(file, word, 0, word.length, at);
    return word.readUInt32LE();
  }

  function isOurs(place: number): boolean {
    const owner = read(place + OWNER_AT);
    return (read(place + LOCK_AT) & ~FLAGS) === owner && existsSync(`/proc/self/task/${owner}`);
  }

  function mark(): void {
    if (flagsAt !== undefined) writeSync(file, FUTEX_WAITERS, 0, FUTEX_WAITERS.length, flagsAt);
  }

  return {
    find() {
      // Nowhere with other C libraries, which do not lose those who wait.
      const place = PLACES.find(isOurs);
      if (place !== undefined) flagsAt = place + FLAGS_AT;
      mark();
    },
    mark,
    close: () => closeSync(file),
  };
}
