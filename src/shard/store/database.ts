import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { Component } from '../../shared/lifecycle.ts';
import { once } from '../../shared/lifecycle.ts';
import { holdDataFolder, sizeOf, walOf } from './data-folder.ts';
import {
  type Connectable,
  checkpointBytesOf,
  firstLine,
  type InstanceOptions,
  openInstance,
  withConnection,
} from './instance.ts';
import { lockDown } from './lock-down.ts';
import { migrate } from './migrations.ts';
import { createOpenConnections, type OpenConnections } from './open-connections.ts';
import { storeSize } from './store-size.ts';
import { UnusableDataError } from './unusable-data-error.ts';

export interface DatabaseOptions extends InstanceOptions {
  /** Created when missing. */
  readonly dataDir: string;
  /** How long to wait for another process to let go of the folder. */
  readonly openTimeoutMs: number;
  /** Most disk that queries may take for what does not fit into memory; none when left out. */
  readonly maxSpillBytes?: number;
}

/** The shard's DuckDB file, in a folder that only this process has open. */
export interface Database extends Component {
  readonly path: string;
  readonly opening: Opening;
  /** Size of the WAL at which DuckDB takes a checkpoint when nothing keeps it from that. */
  readonly checkpointBytes: number;
  /**
   * For a read, which the caller closes it after. Cheap (tens of microseconds), so reads take a fresh one each. Waits
   * while reads are held.
   * @throws DatabaseDownError while the file could not be opened again
   */
  connect(): Promise<DuckDBConnection>;
  /** For the writer, and for whoever reads already: as `connect`, but never waits. */
  connectAtOnce(): Promise<DuckDBConnection>;
  /** Both: see {@link OpenConnections}. */
  readonly betweenReads: OpenConnections['betweenReads'];
  readonly longestReadMs: OpenConnections['longestReadMs'];
  /** Why nothing can be read now; `undefined` when it can. */
  downReason(): string | undefined;
  /** How often the file was opened. What was read of it before may be gone: a commit whose checkpoint failed, for one. */
  openings(): number;
  /** Whether a query succeeds. */
  answers(): Promise<boolean>;
  /** Bytes of the file's blocks that are free for reuse. */
  reusableBytes(): Promise<number>;
  /**
   * Opens the file anew when DuckDB has given the instance up: a checkpoint that fails on a full disk invalidates it,
   * for reads too, until then. Reads that run are ended. False when the instance was not given up and nothing was
   * done, though it may lack memory.
   * @throws UnusableDataError when it cannot be opened; the next call tries again
   */
  reopenIfInvalidated(): Promise<boolean>;
}

/** How the file was opened. */
interface Opening {
  readonly tookMs: number;
  /** Size of the WAL that was replayed: what had not reached the database file when the shard ended. */
  readonly replayedBytes: number;
}

const CLOSE_WITHIN_MS = 5_000;
const INVALIDATED = /database has been invalidated/;

/** The database was given up by DuckDB and could not be opened again yet. */
export class DatabaseDownError extends Error {
  override readonly name = 'DatabaseDownError';
}

/** Opens or creates the database, its schema migrated. Rejects with one line that names the folder. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const folder = await holdDataFolder({ dataDir: options.dataDir, waitMs: options.openTimeoutMs });
  const path = folder.databasePath;
  try {
    const startMs = performance.now();
    const replayedBytes = await sizeOf(walOf(path));
    let instance: DuckDBInstance | undefined = await openMigrated(path, options);
    let openings = 1;
    let downReason = '';
    const connections = createOpenConnections();
    const connectNow = () => {
      if (instance === undefined) return Promise.reject(new DatabaseDownError(downReason));
      return instance.connect();
    };
    const atOnce = { connect: () => connections.atOnce(connectNow) };
    return {
      path,
      checkpointBytes: checkpointBytesOf(options),
      opening: { tookMs: Math.round(performance.now() - startMs), replayedBytes },
      connect: () => connections.toRead(connectNow),
      connectAtOnce: atOnce.connect,
      betweenReads: connections.betweenReads,
      longestReadMs: connections.longestReadMs,
      downReason: () => (instance === undefined ? downReason : undefined),
      openings: () => openings,
      answers: () => answers(atOnce),
      async reusableBytes() {
        if (instance === undefined) return 0;
        return withConnection(atOnce, async connection => (await storeSize(connection)).freeBytes);
      },
      async reopenIfInvalidated() {
        if (instance !== undefined && !(await isInvalidated(atOnce))) return false;
        instance?.closeSync();
        instance = undefined;
        downReason = 'the database is being opened again';
        try {
          // An instance lives until its last connection is closed, and then writes its state to the file and deletes
          // the WAL, with whatever a second instance has committed to it.
          if (!(await connections.closed(CLOSE_WITHIN_MS))) {
            throw new UnusableDataError(`${path} cannot be opened again: reads of it do not end`);
          }
          instance = await openMigrated(path, options);
          openings++;
        } catch (error) {
          downReason = firstLine(error);
          throw error;
        }
        return true;
      },
      stop: once(async () => {
        try {
          if (instance === undefined) return;
          // What a checkpoint cannot write, for want of room, stays in the WAL for the next start.
          await withConnection(instance, connection => connection.run('CHECKPOINT')).catch(() => undefined);
          instance.closeSync();
        } finally {
          folder.release();
        }
      }),
    };
  } catch (error) {
    folder.release();
    throw error;
  }
}

async function openMigrated(path: string, options: DatabaseOptions): Promise<DuckDBInstance> {
  const instance = await openInstance(path, options);
  try {
    await withConnection(instance, async connection => {
      await migrate(connection, path);
      await lockDown(connection, options);
    });
    return instance;
  } catch (error) {
    instance.closeSync();
    throw error;
  }
}

async function answers(database: Connectable): Promise<boolean> {
  try {
    await withConnection(database, connection => connection.run('SELECT last_commit FROM store.shard_state'));
    return true;
  } catch {
    return false;
  }
}

/** Other failures, a lack of memory for one, pass while the instance lives. */
async function isInvalidated(database: Connectable): Promise<boolean> {
  try {
    await withConnection(database, connection => connection.run('SELECT 1'));
    return false;
  } catch (error) {
    return INVALIDATED.test(String(error));
  }
}
