import type { DuckDBConnection } from '@duckdb/node-api';
import type { Database } from '../store/database.ts';

export interface MemoryWatchOptions {
  readonly database: Pick<Database, 'connect'>;
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

/**
 * Watches what is used from now on. DuckDB has one limit for an instance and none for a query, so growth counts: of
 * what DuckDB says that it holds, cached blocks of tables apart, whoever makes it grow. Large strings and lists in
 * the midst of an expression are not in DuckDB's books; those show in the size of the process.
 */
export async function watchMemory(options: MemoryWatchOptions): Promise<MemoryWatch> {
  const { limitBytes, instanceBytes, onLimit, onRunaway } = options;
  const connection = await options.database.connect();
  const heldAtStart = await heldBytes(connection).catch((error: unknown) => {
    connection.closeSync();
    throw error;
  });
  const nativeAtStart = nativeBytes();
  let looking: Promise<void> | undefined;

  async function lookIntoDuckDb(): Promise<void> {
    // Without memory for this question the query has used it up, or will hear from DuckDB itself.
    const held = await heldBytes(connection).catch(() => undefined);
    if (held !== undefined && held - heldAtStart > limitBytes) onLimit();
  }

  const timer = setInterval(() => {
    // What DuckDB knows of stays below the instance's limit.
    const unaccounted = nativeBytes() - nativeAtStart - instanceBytes;
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
    "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag NOT IN ('BASE_TABLE', 'METADATA')",
  );
  return Number(result.getRows()[0]?.[0] ?? 0);
}

function nativeBytes(): number {
  const { rss, heapTotal, external } = process.memoryUsage();
  return rss - heapTotal - external;
}
