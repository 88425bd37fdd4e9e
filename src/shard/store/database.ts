import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { Component } from '../../shared/lifecycle.ts';
import { once } from '../../shared/lifecycle.ts';
import { lockDown } from './lock-down.ts';
import { migrate } from './migrations.ts';
import { UnusableDataError } from './unusable-data-error.ts';

export interface DatabaseOptions {
  /** Created when missing. */
  readonly dataDir: string;
  readonly memoryLimitBytes: number;
  readonly threads: number;
  /** How long to wait for another process to let go of the file. */
  readonly openTimeoutMs: number;
}

/**
 * The shard's DuckDB file. One per process and folder: DuckDB's lock keeps other processes out, but it would open
 * the same file twice in one process without complaint and show each a different state.
 */
export interface Database extends Component {
  /** The caller closes it. Cheap (tens of microseconds), so reads take a fresh one each. */
  connect(): Promise<DuckDBConnection>;
  /**
   * Opens the file anew when DuckDB has given the instance up: a commit that fails on a full disk invalidates it,
   * for reads too, until then. False when the instance is fine and nothing was done.
   */
  reopenIfInvalidated(): Promise<boolean>;
}

const LOCK_RETRY_MS = 100;
/** Size of the write-ahead log that starts a checkpoint: larger ones write fewer blocks twice, and replay longer. */
const CHECKPOINT_THRESHOLD = '256MB';

/** Opens or creates the database, its schema migrated. Rejects with one line that names the folder. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const path = join(options.dataDir, 'shard.duckdb');
  await mkdir(options.dataDir, { recursive: true });
  let instance = await openInstance(path, options);
  return {
    connect: () => instance.connect(),
    async reopenIfInvalidated() {
      if (await answers(instance)) return false;
      instance.closeSync();
      instance = await openInstance(path, options);
      return true;
    },
    stop: once(async () => {
      try {
        await withConnection(instance, connection => connection.run('CHECKPOINT'));
      } finally {
        instance.closeSync();
      }
    }),
  };
}

async function openInstance(path: string, options: DatabaseOptions): Promise<DuckDBInstance> {
  const instance = await createInstance(path, options);
  try {
    await withConnection(instance, async connection => {
      await migrate(connection, path);
      await lockDown(connection, options.memoryLimitBytes);
    });
    return instance;
  } catch (error) {
    instance.closeSync();
    throw error;
  }
}

async function createInstance(path: string, options: DatabaseOptions): Promise<DuckDBInstance> {
  const deadlineMs = performance.now() + options.openTimeoutMs;
  for (;;) {
    try {
      return await DuckDBInstance.create(path, {
        memory_limit: `${options.memoryLimitBytes}B`,
        threads: String(options.threads),
        // Without it DuckDB writes files that its oldest version reads, without zstd and a third larger.
        storage_compatibility_version: 'latest',
        checkpoint_threshold: CHECKPOINT_THRESHOLD,
        autoinstall_known_extensions: 'false',
        autoload_known_extensions: 'false',
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const isLocked = reason.includes('Could not set lock on file');
      if (!isLocked)
        throw new UnusableDataError(
          `cannot open the shard's data in ${options.dataDir}: ${firstLine(reason)}`,
          { cause: error },
        );
      if (performance.now() >= deadlineMs) {
        throw new UnusableDataError(
          `the data folder ${options.dataDir} is in use by another process: ${lockHolder(reason)}`,
          {
            cause: error,
          },
        );
      }
      await sleep(LOCK_RETRY_MS);
    }
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text;
}

/** DuckDB names the process that holds the lock between "held in" and its advice. */
function lockHolder(reason: string): string {
  return /held in (.*?\(PID \d+\))/.exec(reason)?.[1] ?? reason;
}

async function answers(instance: DuckDBInstance): Promise<boolean> {
  try {
    await withConnection(instance, connection => connection.run('SELECT last_commit FROM store.shard_state'));
    return true;
  } catch {
    return false;
  }
}

async function withConnection<T>(
  instance: DuckDBInstance,
  work: (connection: DuckDBConnection) => Promise<T>,
): Promise<T> {
  const connection = await instance.connect();
  try {
    return await work(connection);
  } finally {
    connection.closeSync();
  }
}
