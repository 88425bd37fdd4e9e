import type { DuckDBConnection } from '@duckdb/node-api';
import type { Database } from '../store/database.ts';
import { nativeGrowth } from './process-growth.ts';

export interface MemoryWatchOptions {
  readonly database: Pick<Database, 'connectAtOnce'>;
  /** What the query may use. */
  readonly limitBytes: number;
  /** What the whole instance may use. */
  readonly instanceBytes: number;
  readonly onLimit: () => void;
  /** The process outgrows everything it was given, and cannot wait for a query to heed an interrupt. */
  readonly onRunaway: () => void;
}

export interface MemoryWatch {
  /** Resolves when nothing of the watch is running any more. */
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 50;

/** What DuckDB's books call the blocks of tables, cached or not yet checkpointed, and what else only writes take. */
const NOT_OF_QUERIES = [
  'BASE_TABLE',
  'METADATA',
  'IN_MEMORY_TABLE',
  'OVERFLOW_STRINGS',
  'ART_INDEX',
  'TRANSACTION',
];

/**
 * Watches what is used from now on. DuckDB has one limit for an instance and none for a query, so growth counts: of
 * what DuckDB says that its operators hold, those of reads beside the query included, which no tag tells apart. Large
 * strings and lists in the midst of an expression are not in DuckDB's books; those show in the size of the process,
 * which has to outgrow the whole limit of the instance as well before it is laid to the query.
 */
export async function watchMemory(options: MemoryWatchOptions): Promise<MemoryWatch> {
  const { limitBytes, instanceBytes, onLimit, onRunaway } = options;
  // Never held: what holds further reads waits for the connection that the query has open.
  const connection = await options.database.connectAtOnce();
  const heldAtStart = await heldBytes(connection).catch((error: unknown) => {
    connection.closeSync();
    throw error;
  });
  const growth = nativeGrowth(() => process.memoryUsage());
  let looking: Promise<void> | undefined;

  async function lookIntoDuckDb(): Promise<void> {
    // Without memory for this question the query has used it up, or will hear from DuckDB itself.
    const held = await heldBytes(connection).catch(() => undefined);
    if (held !== undefined && held - heldAtStart > limitBytes) onLimit();
  }

  const timer = setInterval(() => {
    // What DuckDB knows of stays below the instance's limit.
    const unaccounted = growth() - instanceBytes;
    if (unaccounted > limitBytes) onLimit();
    if (unaccounted > limitBytes + instanceBytes) onRunaway();
    looking ??= lookIntoDuckDb().finally(() => {
      looking = undefined;
    });
  }, LOOK_EVERY_MS);

  return {
    async stop() {
      clearInterval(timer);
      await looking;
      connection.closeSync();
    },
  };
}

async function heldBytes(connection: DuckDBConnection): Promise<number> {
  const result = await connection.runAndReadAll(
    `SELECT sum(memory_usage_bytes) FROM duckdb_memory()
     WHERE tag NOT IN (${NOT_OF_QUERIES.map(tag => `'${tag}'`).join()})`,
  );
  return Number(result.getRows()[0]?.[0] ?? 0);
}
