import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/**
 * Makes a data folder belong to one process. The lock is SQLite's exclusive file lock, so the kernel takes it back
 * when its owner dies, however it dies; no lease to wait for and no stale file to remove by hand.
 */
export type FolderLock =
  | { readonly kind: 'locked'; release(): void }
  | { readonly kind: 'in use' }
  /** The folder cannot be made or written to; the reason is the operating system's. */
  | { readonly kind: 'unusable'; readonly reason: string };

const SQLITE_BUSY = 5;

export function lockFolder(dir: string): FolderLock {
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(dir, { recursive: true });
    database = new DatabaseSync(join(dir, 'lock'));
    // Writing once proves that the folder takes writes; the transaction that stays open is the lock.
    database.exec('PRAGMA journal_mode = OFF; PRAGMA user_version = 1; BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return { kind: 'in use' };
    return { kind: 'unusable', reason: (error as Error).message };
  }
  const held = database;
  return { kind: 'locked', release: () => held.close() };
}
