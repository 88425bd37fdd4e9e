import type { DuckDBConnection } from '@duckdb/node-api';
import type { AppendedTable, Appender } from './append.ts';
import { bigint, varchar } from './columns.ts';

/** What a batch was answered, kept with it to be answered again. */
export interface KeptAnswer {
  /** Of what was sent, to tell a repeat from something else under the same id. */
  readonly fingerprint: string;
  readonly answer: string;
}

interface KeptRow extends KeptAnswer {
  readonly id: string;
}

/** In the running transaction, which stores the batches, too. */
export function keepAnswers(appender: Appender, rows: readonly KeptRow[], nowMs: number): Promise<void> {
  const storedAtMs = BigInt(nowMs);
  const table: AppendedTable<KeptRow> = {
    table: 'kept_answers',
    columns: [
      varchar(({ id }) => id),
      varchar(({ fingerprint }) => fingerprint),
      varchar(({ answer }) => answer),
      bigint(() => storedAtMs),
    ],
  };
  return appender.append(table, rows);
}

/** Of the batch of that id, the last one if it was forgotten and stored again. */
export async function keptAnswer(connection: DuckDBConnection, id: string): Promise<KeptAnswer | undefined> {
  const result = await connection.runAndReadAll(
    'SELECT fingerprint, answer FROM store.kept_answers WHERE id = $1 ORDER BY stored_at_ms DESC LIMIT 1',
    [id],
  );
  const [row] = result.getRows() as [string, string][];
  return row && { fingerprint: row[0], answer: row[1] };
}

/** Deletes the answers that were stored at that time or before. */
export async function forgetAnswers(connection: DuckDBConnection, throughMs: number): Promise<void> {
  await connection.run(`DELETE FROM store.kept_answers WHERE stored_at_ms <= ${throughMs}`);
}
