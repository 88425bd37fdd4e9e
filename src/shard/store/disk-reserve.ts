import { statfs } from 'node:fs/promises';
import type { Clock } from '../../shared/time.ts';
import { sizeOf, walOf } from './data-folder.ts';
import type { Database } from './database.ts';

/**
 * Keeps room on the disk. DuckDB gives the whole database up, reads included, when a commit or a checkpoint runs out
 * of it, so writes end before that.
 */
export interface DiskReserve {
  /** Why nothing should be written now; `undefined` when there is room. */
  refusal(): Promise<string | undefined>;
  /** What is free on the disk, and the size of the WAL. */
  look(): Promise<DiskRoom>;
  /** Whether a checkpoint, which empties the WAL, has the room that it takes. */
  mayCheckpoint(): Promise<boolean>;
}

interface DiskRoom {
  readonly diskBytes: number;
  readonly walBytes: number;
}

export interface DiskReserveOptions {
  readonly database: Pick<Database, 'path' | 'reusableBytes'>;
  readonly minFreeBytes: number;
  readonly clock: Clock;
}

/** The disk is asked at most this often while there is room. What comes in between is far below the reserve. */
const LOOK_EVERY_MS = 100;
/** Part of the reserve that stays free on the disk itself, however much is free in the file: the WAL grows there. */
const WAL_SHARE = 1 / 2;
/** Part of the reserve that a checkpoint may need over the size of the WAL. */
const CHECKPOINT_SHARE = 1 / 4;

export function createDiskReserve(options: DiskReserveOptions): DiskReserve {
  const { database, minFreeBytes, clock } = options;
  let roomSeenAtMs = Number.NEGATIVE_INFINITY;

  async function look(): Promise<DiskRoom> {
    const [{ bavail, bsize }, walBytes] = await Promise.all([
      statfs(database.path),
      sizeOf(walOf(database.path)),
    ]);
    return { diskBytes: bavail * bsize, walBytes };
  }

  /** None while the database cannot say: it may have been given up, and opening it again waits for this answer. */
  function reusableBytes(): Promise<number> {
    return database.reusableBytes().catch(() => 0);
  }

  return {
    async refusal() {
      const ageMs = clock.now() - roomSeenAtMs;
      if (ageMs >= 0 && ageMs < LOOK_EVERY_MS) return undefined;
      const { diskBytes, walBytes } = await look();
      // The next checkpoint may write as much as the WAL holds before it can drop it.
      let freeBytes = diskBytes - walBytes;
      if (freeBytes < minFreeBytes && diskBytes >= minFreeBytes * WAL_SHARE) {
        freeBytes += await reusableBytes();
      }
      if (freeBytes < minFreeBytes) {
        return (
          `the disk of ${database.path} has ${diskBytes} bytes free, a WAL of ${walBytes} has yet to be written, and ` +
          `${minFreeBytes} must stay free (shard.minFreeBytes)`
        );
      }
      roomSeenAtMs = clock.now();
      return undefined;
    },
    look,
    async mayCheckpoint() {
      const { diskBytes, walBytes } = await look();
      return diskBytes + (await reusableBytes()) >= walBytes + minFreeBytes * CHECKPOINT_SHARE;
    },
  };
}
