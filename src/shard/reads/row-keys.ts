import { query } from './query.ts';
import type { ReadContext } from './read.ts';
import { columnNames, keyValues, type RowKey, type RowOrder, rowsIn } from './row-order.ts';
import { type CommitRange, within } from './service-counts.ts';
import { allOf, createParameters, type Parameters } from './where.ts';
import type { RowPlace } from './wide-rows.ts';

/** Makes conditions for a statement with these parameters. */
export type Conditions = (parameters: Parameters) => readonly (string | undefined)[];

export interface KeySearch {
  readonly order: RowOrder;
  readonly conditions: Conditions;
  /** The commits to look at; all when left out. */
  readonly commits?: readonly CommitRange[] | undefined;
  /** Begins right behind it. */
  readonly after?: RowKey | undefined;
  /** How many are wanted at first. */
  readonly rows: number;
}

type KeyContext = Pick<ReadContext, 'connection' | 'landmarks'>;

/** Keys are some hundred bytes each in JavaScript. */
const MOST_KEYS_AT_ONCE = 100_000;

/**
 * The rows that meet conditions, in their order, by their keys alone: DuckDB would sort whole rows, whose texts can
 * take more memory than there is, and read the texts of rows that the limit leaves out. {@link wideRows} reads the
 * rest of those that are wanted.
 */
export async function readKeys(
  { connection, landmarks }: KeyContext,
  search: KeySearch,
): Promise<readonly RowKey[]> {
  const { direction } = search.order;
  const names = columnNames(search.order);
  const parameters = createParameters();
  const conditions = allOf([
    ...search.conditions(parameters),
    search.after && behind(search.order, search.after, parameters),
  ]);
  const result = await query(
    connection,
    `SELECT ${names.join(', ')} FROM (${rowsOf(search)}) WHERE ${conditions}
     ORDER BY ${names.map(name => `${name} ${direction}`).join(', ')} LIMIT ${search.rows}`,
    parameters,
  );
  const keys = [...result.rows()];
  landmarks.add(search.order, keys);
  return keys;
}

/** All of them, page by page; pages double, so that a search which finds little costs few queries. */
export async function* keyPages(context: KeyContext, search: KeySearch): AsyncGenerator<readonly RowKey[]> {
  let { after } = search;
  for (let rows = search.rows; ; rows *= 2) {
    rows = Math.min(rows, MOST_KEYS_AT_ONCE);
    const keys = await readKeys(context, { ...search, after, rows });
    yield keys;
    if (keys.length < rows || rows === 0) return;
    after = keys.at(-1);
  }
}

export async function* placesIn(
  pages: AsyncIterable<readonly RowKey[]>,
): AsyncGenerator<readonly RowPlace[]> {
  for await (const keys of pages) yield keys.map(placeOf);
}

export function placeOf(key: RowKey): RowPlace {
  return { timeNs: key[0] as bigint, rowId: key.at(-1) as bigint };
}

function rowsOf({ order, commits }: KeySearch): string {
  const rows = rowsIn(order);
  if (commits === undefined) return rows;
  if (commits.length === 0) return `${rows} WHERE false`;
  // One after the other DuckDB finds them at once; for a list of them it goes through all texts.
  return commits.map(range => `${rows} WHERE ${within(range)}`).join(' UNION ALL ');
}

/** The first half follows from the second; it lets DuckDB skip whole row groups by their time range. */
function behind(order: RowOrder, key: RowKey, parameters: Parameters): string {
  const beyond = order.direction === 'ASC' ? '>' : '<';
  const values = keyValues(order, key, parameters);
  const names = columnNames(order);
  return `${names[0]} ${beyond}= ${values[0]} AND (${names.join(', ')}) ${beyond} (${values.join(', ')})`;
}
