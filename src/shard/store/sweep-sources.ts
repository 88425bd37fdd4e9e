import type { DuckDBConnection } from '@duckdb/node-api';
import { positionOf } from './commit.ts';
import type { Database } from './database.ts';
import { inTransaction } from './transaction.ts';
import type { Writer } from './writer.ts';

const TABLES = ['spans', 'logs', 'metrics'] as const;

/** Deletes the resources and scopes that no row names since retention deleted those that did; how many. */
export async function sweepSources({
  database,
  writer,
}: {
  readonly database: Database;
  readonly writer: Writer;
}): Promise<number> {
  // Looking through all rows takes longer than ingest should wait for; what is stored meanwhile is looked at after.
  const connection = await database.connect();
  const unused = await findUnused(connection).finally(() => connection.closeSync());
  if (unused.ids.length === 0) return 0;
  return writer.exclusively(async writing => {
    const deleted = await inTransaction(writing, () =>
      writing.runAndReadAll(`
        DELETE FROM store.sources WHERE id IN (${unused.ids.join(', ')})
        AND id NOT IN (${sourcesWhere(`commit_no > ${unused.asOf}`)})
        RETURNING id`),
    );
    return { result: deleted.currentRowCount, forgetsSources: true };
  });
}

async function findUnused(
  connection: DuckDBConnection,
): Promise<{ readonly ids: readonly number[]; readonly asOf: bigint }> {
  return inTransaction(connection, async () => {
    const { commitNo } = await positionOf(connection);
    const unused = await connection.runAndReadAll(
      `SELECT id FROM store.sources WHERE id NOT IN (${sourcesWhere('true')}) LIMIT ${MAX_SWEPT}`,
    );
    return {
      ids: unused.getRows().map(([id]) => id as number),
      asOf: commitNo,
    };
  });
}

/** More are found the next time. */
const MAX_SWEPT = 20_000;

function sourcesWhere(condition: string): string {
  return TABLES.map(table => `SELECT source FROM store.${table} WHERE ${condition}`).join(' UNION ');
}
