import type { DuckDBConnection } from '@duckdb/node-api';

/**
 * Runs the work and commits. When it rejects nothing has changed, unless COMMIT itself failed: then the change is
 * there or not, and looking tells.
 */
export async function inTransaction<T>(connection: DuckDBConnection, work: () => Promise<T>): Promise<T> {
  await connection.run('BEGIN');
  try {
    const result = await work();
    await connection.run('COMMIT');
    return result;
  } catch (error) {
    // A failed statement or commit may have ended the transaction already.
    await connection.run('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
