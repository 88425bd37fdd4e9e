import { query } from './query.ts';
import type { ReadContext } from './read.ts';
import { type Conditions, type KeySearch, keyPages } from './row-keys.ts';
import type { RowKey } from './row-order.ts';

/** The first slice has about so many rows: at least, and for each one that is wanted. */
const LEAST_ROWS = 20_000;
const ROWS_PER_WANTED = 20;
/** How many times more rows the slices down to each next one have, and how many there are before the rest of time. */
const GROWTH = 8;
const MOST_SLICES = 6;
/** Commits that are gone through to find the first slice: enough for its rows when each has so few. */
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
  const [first, ...others] = sliceRows(wanted);
  let untilNs: bigint | undefined;
  // Often the first is enough. When it is not, all the others are found at once.
  for (const rows of [[first], others]) {
    const times = (await timesBehind(context, rows, wanted)).filter(timeNs => timeNs >= fromNs);
    for (const afterNs of times) {
      if (untilNs !== undefined && afterNs >= untilNs) continue;
      yield { afterNs, untilNs };
      untilNs = afterNs;
    }
    if (times.length < rows.length) break;
  }
  yield { afterNs: undefined, untilNs };
}

/** How many rows the slices down to each one have. */
function sliceRows({ limit }: Wanted): readonly [number, ...number[]] {
  const first = Math.max(LEAST_ROWS, ROWS_PER_WANTED * limit);
  return [first, ...Array.from({ length: MOST_SLICES - 1 }, (_, index) => first * GROWTH ** (index + 1))];
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

/** Times that about so many rows are later than, as the newest commits have it; without those that they have fewer for. */
async function timesBehind(
  { connection, asOf }: ReadContext,
  rows: readonly number[],
  { table, toNs }: Wanted,
): Promise<readonly bigint[]> {
  const commits = Math.min(Math.ceil(Math.max(...rows) / ROWS_PER_COMMIT), MAX_COMMITS);
  const latest = `${table}_to_ns`;
  // Where nothing later is wanted the commits that come first are those before the first one that reaches beyond.
  const last =
    toNs === undefined
      ? `${asOf}`
      : `(SELECT coalesce(min(commit_no), ${asOf}) FROM store.commits
          WHERE ${latest} > ${toNs} AND commit_no <= ${asOf})`;
  const result = await query(
    connection,
    `SELECT ${rows.map(count => `max(${latest}) FILTER (row_count >= ${count})`).join(', ')} FROM (
       SELECT ${latest}, sum(${table}) OVER (ORDER BY ${latest} DESC) AS row_count FROM store.commits
       WHERE commit_no <= ${last} AND commit_no + ${commits} > ${last} AND ${latest} IS NOT NULL
     )`,
  );
  const [times = []] = result.rows() as Iterable<(bigint | null)[]>;
  return times.filter(time => time !== null);
}
