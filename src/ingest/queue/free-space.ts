import { statfs } from 'node:fs/promises';
import type { Clock } from '../../shared/time.ts';

/** Keeps some of a disk free. A full disk fails in worse ways than a refusal. */
export interface FreeSpace {
  /** Why these bytes should not be written now; `undefined` when there is room, which is then taken as used. */
  take(bytes: number): Promise<string | undefined>;
}

interface FreeSpaceOptions {
  readonly dir: string;
  readonly minFreeBytes: number;
  readonly clock: Clock;
}

/** The disk is asked at most this often while there is room; what is taken meanwhile is counted here. */
const LOOK_EVERY_MS = 100;

export function createFreeSpace({ dir, minFreeBytes, clock }: FreeSpaceOptions): FreeSpace {
  let freeBytes = 0;
  let lookedAtMs = Number.NEGATIVE_INFINITY;

  async function look(): Promise<void> {
    const { bavail, bsize } = await statfs(dir);
    freeBytes = bavail * bsize;
    lookedAtMs = clock.now();
  }

  const hasRoom = (bytes: number) => freeBytes - bytes >= minFreeBytes;

  return {
    async take(bytes) {
      const ageMs = clock.now() - lookedAtMs;
      if (ageMs < 0 || ageMs >= LOOK_EVERY_MS || !hasRoom(bytes)) await look();
      if (hasRoom(bytes)) {
        freeBytes -= bytes;
        return undefined;
      }
      return `the queue's disk has ${freeBytes} bytes free, ${minFreeBytes} must stay free (queue.minFreeBytes)`;
    },
  };
}
