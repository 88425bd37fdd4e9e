import { execFile } from 'node:child_process';
import { statfsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A file system of its own, small enough to be filled. */
export interface SmallDisk {
  readonly path: string;
  /** Takes room, until `freeRoom`. */
  takeRoom(sizeBytes: number): Promise<void>;
  freeRoom(): Promise<void>;
  /** Takes all the room there is, at once. */
  fill(): void;
  /** Takes all but so many bytes. */
  fillBut(sizeBytes: number): void;
  makeReadOnly(): Promise<void>;
  remove(): Promise<void>;
}

/** Mounts one in memory; why not, where this machine does not let us. */
export async function mountSmallDisk(sizeMiB: number): Promise<SmallDisk | string> {
  const path = await mkdtemp(join(tmpdir(), 'otelfan-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'otelfan', path]);
  } catch (error) {
    await rm(path, { recursive: true });
    return `needs to mount a small file system: ${(error as Error).message.trim()}`;
  }
  const ballast = join(path, 'ballast');
  const fillBut = (sizeBytes: number) => {
    const { bavail, bsize } = statfsSync(path);
    try {
      writeFileSync(ballast, Buffer.alloc(bavail * bsize - sizeBytes));
    } catch (error) {
      // Others took some of it meanwhile: now it is full all the same.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  };
  return {
    path,
    takeRoom: sizeBytes => writeFile(ballast, Buffer.alloc(sizeBytes)),
    freeRoom: () => rm(ballast),
    fill: () => fillBut(0),
    fillBut,
    async makeReadOnly() {
      await run('mount', ['-o', 'remount,ro', path]);
    },
    async remove() {
      await run('umount', ['-l', path]);
      await rm(path, { recursive: true });
    },
  };
}
