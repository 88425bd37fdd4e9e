import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { remedyOf } from './shortage.ts';
import { UnusableDataError } from './unusable-data-error.ts';

export interface InstanceOptions {
  readonly memoryLimitBytes: number;
  readonly threads: number;
  /** Size of the WAL that starts a checkpoint: with a large one fewer blocks are written twice, and replay is longer. */
  readonly checkpointBytes?: number;
}

const CHECKPOINT_BYTES = 256_000_000;
/** Until a checkpoint all that is in the WAL is in memory, too, and takes a quarter more there. */
const CHECKPOINT_SHARE = 1 / 4;

export function checkpointBytesOf({ memoryLimitBytes, checkpointBytes }: InstanceOptions): number {
  return checkpointBytes ?? Math.min(CHECKPOINT_BYTES, Math.floor(memoryLimitBytes * CHECKPOINT_SHARE));
}

/**
 * Opens a DuckDB file whose folder this process holds, replaying its WAL.
 * @param changes settings that differ for this use
 * @throws UnusableDataError when the file is damaged or cannot be read, or memory or room on the disk is short
 */
export async function openInstance(
  path: string,
  options: InstanceOptions,
  changes: Readonly<Record<string, string>> = {},
): Promise<DuckDBInstance> {
  const { memoryLimitBytes, threads } = options;
  try {
    return await DuckDBInstance.create(path, {
      memory_limit: `${memoryLimitBytes}B`,
      threads: String(threads),
      // Without it DuckDB writes files that its oldest version reads, without zstd and a third larger.
      storage_compatibility_version: 'latest',
      checkpoint_threshold: `${checkpointBytesOf(options)}B`,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      ...changes,
    });
  } catch (error) {
    const remedy = remedyOf(error) ?? 'restore the folder from a copy, or move it away to start empty';
    throw new UnusableDataError(`cannot open the shard's data in ${path}: ${firstLine(error)}; ${remedy}`, {
      cause: error,
    });
  }
}

export type Connectable = Pick<DuckDBInstance, 'connect'>;

export async function withConnection<T>(
  instance: Connectable,
  work: (connection: DuckDBConnection) => Promise<T>,
): Promise<T> {
  const connection = await instance.connect();
  try {
    return await work(connection);
  } finally {
    connection.closeSync();
  }
}

export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] ?? text;
}
