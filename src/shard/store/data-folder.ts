import { existsSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockFolder } from '../../shared/folder-lock.ts';
import { UnusableDataError } from './unusable-data-error.ts';

/** A shard's data folder, held by this process until `release`. */
export interface DataFolder {
  readonly dir: string;
  readonly databasePath: string;
  /** Where compaction writes; a file that is there was left by one that did not end. */
  readonly compactedPath: string;
  release(): void;
}

interface HoldOptions {
  /** Created when missing. */
  readonly dataDir: string;
  /** How long to wait for another process to let go of it. */
  readonly waitMs: number;
}

const LOCK_RETRY_MS = 100;

/**
 * Takes the folder, once per process and machine: DuckDB's own lock would let a process open its file twice.
 * @throws UnusableDataError when it is in use, cannot be written to, or lacks the file that its WAL belongs to
 */
export async function holdDataFolder({ dataDir, waitMs }: HoldOptions): Promise<DataFolder> {
  const release = await lockWithin(dataDir, waitMs);
  const databasePath = join(dataDir, 'shard.duckdb');
  const compactedPath = `${databasePath}.compacted`;
  const walPath = walOf(databasePath);
  try {
    if (existsSync(walPath) && !existsSync(databasePath)) {
      // DuckDB would delete the WAL and start empty.
      throw new UnusableDataError(
        `${walPath} holds what was stored last, but ${databasePath} is missing: restore it, or move the WAL away to start empty`,
      );
    }
    await removeCopy({ compactedPath });
  } catch (error) {
    release();
    throw error;
  }
  return { dir: dataDir, databasePath, compactedPath, release };
}

/** Removes what compaction wrote. */
export async function removeCopy({ compactedPath }: Pick<DataFolder, 'compactedPath'>): Promise<void> {
  for (const path of [compactedPath, walOf(compactedPath)]) await rm(path, { force: true });
}

/** The write-ahead log of a database file. */
export function walOf(databasePath: string): string {
  return `${databasePath}.wal`;
}

/** Bytes of a file; 0 when there is none. */
export async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function lockWithin(dir: string, waitMs: number): Promise<() => void> {
  const deadlineMs = performance.now() + waitMs;
  for (;;) {
    const lock = lockFolder(dir);
    switch (lock.kind) {
      case 'locked':
        return lock.release;
      case 'unusable':
        throw new UnusableDataError(
          `the data folder ${dir} cannot be written to (${lock.reason}); mend its permissions or its disk, or choose another (dataDir)`,
        );
      case 'in use':
        if (performance.now() >= deadlineMs) {
          throw new UnusableDataError(
            `the data folder ${dir} is in use by another process; stop that one first`,
          );
        }
        await sleep(LOCK_RETRY_MS);
        break;
      default:
        return lock satisfies never;
    }
  }
}
