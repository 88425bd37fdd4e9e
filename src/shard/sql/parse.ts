import type { DuckDBConnection } from '@duckdb/node-api';
import { refusalOf } from './guard.ts';

export type Parsed =
  /** SQL that may run: the query, cut to a number of rows. */
  { readonly kind: 'allowed'; readonly sql: string } | { readonly kind: 'refused'; readonly reason: string };

interface ParseOptions {
  readonly functions: ReadonlySet<string>;
  /** Rows of the query that `sql` gives. */
  readonly rows: number;
}

/** What DuckDB's parser and our walk over its tree say to a query. Nothing of it is run. */
export async function parseQuery(
  connection: DuckDBConnection,
  query: string,
  { functions, rows }: ParseOptions,
): Promise<Parsed> {
  // DuckDB's parser ends at one, and what it does not see cannot be checked.
  if (query.includes('\0')) return refused('the query has a NUL character');
  const text = withoutEnd(query);
  // On its own first: its errors are about the text as it was written, and it cannot break out of the brackets.
  const alone = await statementOf(connection, text);
  if (alone.kind === 'refused') return alone;
  const sql = `SELECT * FROM (\n${text}\n) LIMIT ${rows}`;
  const statement = await statementOf(connection, sql);
  if (statement.kind === 'refused') return statement;
  const reason = refusalOf(statement.tree, functions);
  return reason === undefined ? { kind: 'allowed', sql } : refused(reason);
}

/** Without semicolons at its end. Backwards: an expression for it is tried anew at every run of them. */
function withoutEnd(query: string): string {
  let end = query.length;
  while (end > 0 && /[;\s]/.test(query.charAt(end - 1))) end--;
  return query.slice(0, end);
}

type Statement =
  | { readonly kind: 'statement'; readonly tree: unknown }
  | Extract<Parsed, { kind: 'refused' }>;

type Serialized =
  | { readonly error: true; readonly error_type: string; readonly error_message: string }
  | { readonly error: false; readonly statements: readonly unknown[] };

async function statementOf(connection: DuckDBConnection, sql: string): Promise<Statement> {
  const result = await connection.runAndReadAll('SELECT json_serialize_sql($sql::VARCHAR)', { sql });
  const serialized = JSON.parse(String(result.getRows()[0]?.[0])) as Serialized;
  if (serialized.error) return refused(parserMessage(serialized.error_message));
  const [tree] = serialized.statements;
  const count = serialized.statements.length;
  return count === 1 ? { kind: 'statement', tree } : refused(`expected one SELECT statement, got ${count}`);
}

function parserMessage(message: string): string {
  if (message.startsWith('Only SELECT statements')) return 'only a SELECT is allowed';
  return `Parser Error: ${firstLine(message)}`;
}

function refused(reason: string): Extract<Parsed, { kind: 'refused' }> {
  return { kind: 'refused', reason };
}

export function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text;
}
