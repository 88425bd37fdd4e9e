import type { DuckDBConnection } from '@duckdb/node-api';

/**
 * Closes the instance for good: no connection can reach files, load code or change settings from here on. DuckDB knows
 * this for a whole instance only, and a second instance on the same file would show another state (ADR 16), so the
 * shard's own work has to do without as well. Its database, WAL and temporary files are not affected.
 */
export async function lockDown(connection: DuckDBConnection): Promise<void> {
  await connection.run(`
    SET GLOBAL TimeZone = 'UTC';
    SET GLOBAL allow_community_extensions = false;
    SET GLOBAL enable_external_access = false;
    SET GLOBAL lock_configuration = true;
  `);
}
