import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import { rowLine } from '../../shared/read/ndjson.ts';
import { type QueryRows, query } from '../reads/query.ts';
import type { Source } from '../store/tables.ts';

/** How the rows of one table are read from DuckDB and shown by the read API. */
export interface RowKind<Stored> {
  readonly table: 'spans' | 'logs' | 'metrics';
  /** What to select, first in the list; further columns may follow. The number of the source comes last. */
  readonly columns: readonly string[];
  /** Those of them that can be long. */
  readonly texts: readonly string[];
  /** What rows are ordered by first. */
  readonly time: string;
  stored(values: readonly DuckDBValue[], source: Source): Stored;
  /** The sort key of the read contract. */
  key(stored: Stored): readonly string[];
  /** The row in the read API's JSON. */
  json(stored: Stored): string;
}

/** The same rows without the columns that are named; they show as `null`, so `json` must not need them. */
export function bareRows<Stored>(
  kind: RowKind<Stored>,
  { without, json }: { readonly without: readonly string[]; readonly json: RowKind<Stored>['json'] },
): RowKind<Stored> {
  return {
    ...kind,
    columns: kind.columns.map(column => (without.includes(column) ? `NULL::VARCHAR AS ${column}` : column)),
    texts: kind.texts.filter(column => !without.includes(column)),
    json,
  };
}

type Selected = Pick<RowKind<unknown>, 'columns'>;

export function columnList(kind: Selected): string {
  return kind.columns.join(', ');
}

/** The sources that the rows of a result name. Within the transaction of the rows nothing can delete them. */
export async function sourcesOf(
  connection: DuckDBConnection,
  kind: Selected,
  results: readonly QueryRows[],
): Promise<ReadonlyMap<number, Source>> {
  const column = kind.columns.length - 1;
  const ids = new Set<DuckDBValue>();
  for (const result of results) for (const id of result.column(column)) ids.add(id);
  if (ids.size === 0) return new Map();
  const found = await query(
    connection,
    `SELECT id, resource, scope FROM store.sources WHERE id IN (${[...ids].join(', ')})`,
  );
  const sources = new Map<number, Source>();
  for (const [id, resource, scope] of found.rows() as Iterable<[number, string, string]>)
    sources.set(id, { resource, scope });
  return sources;
}

/** One row of a result that begins with the columns of its kind. */
export function storedRow<Stored>(
  kind: RowKind<Stored>,
  values: readonly DuckDBValue[],
  sources: ReadonlyMap<number, Source>,
): Stored {
  const source = sources.get(values[kind.columns.length - 1] as number);
  if (source === undefined) throw new Error('a row names a source that is not there');
  return kind.stored(values, source);
}

/** A result as lines of a read's answer. */
export async function renderLines<Stored>(
  connection: DuckDBConnection,
  kind: RowKind<Stored>,
  result: QueryRows,
): Promise<Iterable<string>> {
  const sources = await sourcesOf(connection, kind, [result]);
  return {
    *[Symbol.iterator]() {
      for (const values of result.rows()) {
        const stored = storedRow(kind, values, sources);
        yield rowLine(kind.key(stored), kind.json(stored));
      }
    },
  };
}
