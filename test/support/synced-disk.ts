import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A file system of its own of which one can see what a power cut would leave. */
export interface SyncedDisk {
  readonly path: string;
  /**
   * Mounts what is on the disk now, without what is only in the page cache. Nobody may write meanwhile.
   * @returns where
   */
  asSynced(): Promise<string>;
  remove(): Promise<void>;
}

const SIZE_BYTES = 256 * 1024 ** 2;

const COPY_TRIES = 10;

/**
 * Data and metadata reach the disk when they are synced and, unlike by default, not along with somebody else's sync; the
 * kernel's own time for it (`vm.dirty_expire_centisecs`, half a minute) is longer than a test.
 */
const MOUNT_OPTIONS = 'loop,noatime,data=writeback,commit=300';

/**
 * An ext4 in a file: what programs sync reaches the file, what they only write stays in the page cache of the mounted
 * file system. Resolves to why not, where this machine does not let us.
 */
export async function mountSyncedDisk(): Promise<SyncedDisk | string> {
  const folder = await mkdtemp(join(tmpdir(), 'otelfan-synced-'));
  const image = join(folder, 'disk.img');
  const mounted: string[] = [];

  async function mount(file: string, name: string): Promise<string> {
    const path = join(folder, name);
    await mkdir(path);
    await run('mount', ['-o', MOUNT_OPTIONS, file, path]);
    mounted.push(path);
    return path;
  }

  async function remove(): Promise<void> {
    for (const path of mounted) await run('umount', ['-l', path]);
    await rm(folder, { recursive: true });
  }

  try {
    await writeFile(image, '');
    await truncate(image, SIZE_BYTES);
    // What is lazy is written later, in the background.
    await run('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
    const path = await mount(image, 'disk');
    return {
      path,
      remove,
      async asSynced() {
        const copy = join(folder, 'synced.img');
        for (let tries = 1; ; tries += 1) {
          await copyFile(image, copy);
          // Otherwise it would be of no single moment.
          if (await areEqual(image, copy)) return mount(copy, 'synced');
          if (tries === COPY_TRIES) throw new Error(`somebody goes on writing to ${path}`);
        }
      },
    };
  } catch (error) {
    await remove();
    return `needs to mount a file system of its own: ${(error as Error).message.trim()}`;
  }
}

function areEqual(file: string, other: string): Promise<boolean> {
  return run('cmp', ['--silent', file, other]).then(
    () => true,
    () => false,
  );
}
