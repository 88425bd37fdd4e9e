import type { DuckDBValue } from '@duckdb/node-api';
import { rowLine } from '../../shared/read/ndjson.ts';
import type { QueryRows } from '../reads/query.ts';
import type { ReadContext } from '../reads/read.ts';
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

/** The sources that the rows of a result name. */
export function sourcesOf(
  { connection, sources }: Pick<ReadContext, 'connection' | 'sources'>,
  kind: Selected,
  result: QueryRows,
): Promise<ReadonlyMap<number, Source>> {
  return sources.of(connection, new Set(result.column(kind.columns.length - 1) as Iterable<number>));
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
  context: Pick<ReadContext, 'connection' | 'sources'>,
  kind: RowKind<Stored>,
  result: QueryRows,
): Promise<Iterable<string>> {
  const sources = await sourcesOf(context, kind, result);
  return {
    *[Symbol.iterator]() {
      for (const values of result.rows()) {
        const stored = storedRow(kind, values, sources);
        yield rowLine(kind.key(stored), kind.json(stored));
      }
    },
  };
}
