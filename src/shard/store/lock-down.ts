import type { DuckDBConnection } from '@duckdb/node-api';

/**
 * Closes the instance for good: no connection can reach files, load code or change settings from here on. DuckDB knows
 * this for a whole instance only, and a second instance on the same file would show another state (ADR 16), so the
 * shard's own work has to do without as well. Its database, WAL and temporary files are not affected.
 * @param maxSpillBytes most disk for temporary files; DuckDB shows this limit but does not keep to it when it is among
 *   the options that an instance is created with
 */
export async function lockDown(
  connection: DuckDBConnection,
  { maxSpillBytes = 0 }: { readonly maxSpillBytes?: number } = {},
): Promise<void> {
  await connection.run(`
    SET GLOBAL max_temp_directory_size = '${maxSpillBytes}B';
    SET GLOBAL TimeZone = 'UTC';
    SET GLOBAL allow_community_extensions = false;
    SET GLOBAL enable_external_access = false;
    SET GLOBAL lock_configuration = true;
  `);
}
