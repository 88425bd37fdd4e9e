import { query } from './query.ts';
import type { ReadContext } from './read.ts';
import { type Conditions, type KeySearch, keyPages } from './row-keys.ts';
import type { RowKey } from './row-order.ts';

/** The first slice has about so many rows: at least, and for each one that is wanted. */
const LEAST_ROWS = 20_000;
const ROWS_PER_WANTED = 20;
/** How many times more rows the slices down to each next one have. */
const GROWTH = 8;
/** Commits that are gone through to find a slice: enough for its rows when each has so few, within limits. */
const ROWS_PER_COMMIT = 20;
const MAX_COMMITS = 10_000;

export interface Wanted {
  readonly table: 'spans' | 'logs' | 'metrics';
  /** How many rows are wanted. */
  readonly limit: number;
  /** Nothing earlier is wanted. */
  readonly fromNs: string | undefined;
  /** Nothing later is wanted, such as what earlier pages had. */
  readonly toNs: string | undefined;
}

/** Times later than one and up to the other; without them from the beginning and to the end. */
export interface TimeSlice {
  readonly afterNs: bigint | undefined;
  readonly untilNs: bigint | undefined;
}

export const ALL_TIME: TimeSlice = { afterNs: undefined, untilNs: undefined };

/**
 * Cuts time into slices, the newest first, each of many more rows than the one before. The newest rows are then found
 * without going through all of a table: DuckDB skips row groups by the range of their times, and what the slices so
 * far had is newer than the rest. Together they are all of time, wherever they are cut.
 */
export async function* newestSlices(context: ReadContext, wanted: Wanted): AsyncGenerator<TimeSlice> {
  const fromNs = BigInt(wanted.fromNs ?? 0);
  let untilNs: bigint | undefined;
  for (let rows = Math.max(LEAST_ROWS, ROWS_PER_WANTED * wanted.limit); ; rows *= GROWTH) {
    const afterNs = await timeBehind(context, rows, wanted);
    if (afterNs === undefined || afterNs < fromNs) break;
    if (untilNs !== undefined && afterNs >= untilNs) continue;
    yield { afterNs, untilNs };
    untilNs = afterNs;
  }
  yield { afterNs: undefined, untilNs };
}

export function inSlice(column: string, { afterNs, untilNs }: TimeSlice): string {
  const after = afterNs === undefined ? 'true' : `${column} > ${afterNs}`;
  return untilNs === undefined ? after : `${after} AND ${column} <= ${untilNs}`;
}

/** The keys of the rows in slices, page by page. */
export async function* slicedKeys(
  context: ReadContext,
  slices: AsyncIterable<TimeSlice>,
  search: KeySearch,
): AsyncGenerator<readonly RowKey[]> {
  const [[time]] = search.order.columns;
  for await (const slice of slices) {
    const conditions: Conditions = parameters => [inSlice(time, slice), ...search.conditions(parameters)];
    yield* keyPages(context, { ...search, conditions });
  }
}

/** A time that about so many rows are later than, as the newest commits have it; `undefined` when they have fewer. */
async function timeBehind(
  { connection, asOf }: ReadContext,
  rows: number,
  { table, toNs }: Wanted,
): Promise<bigint | undefined> {
  const commits = Math.min(Math.ceil(rows / ROWS_PER_COMMIT), MAX_COMMITS);
  const latest = `${table}_to_ns`;
  // Where nothing later is wanted the commits that come first are those before the first one that reaches beyond.
  const last =
    toNs === undefined
      ? `${asOf}`
      : `(SELECT coalesce(min(commit_no), ${asOf}) FROM store.commits
          WHERE ${latest} > ${toNs} AND commit_no <= ${asOf})`;
  const result = await query(
    connection,
    `SELECT ${latest} FROM (
       SELECT ${latest}, sum(${table}) OVER (ORDER BY ${latest} DESC) AS row_count FROM store.commits
       WHERE commit_no <= ${last} AND commit_no + ${commits} > ${last} AND ${latest} IS NOT NULL
     ) WHERE row_count >= ${rows} ORDER BY ${latest} DESC LIMIT 1`,
  );
  for (const time of result.column(0)) return time as bigint;
  return undefined;
}
