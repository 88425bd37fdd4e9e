import { type QueryRows, query, type ReadContext } from './read.ts';

/** Rows of the newest commits are looked at first: at least so many, and so many for each one that is wanted. */
const LEAST_ROWS = 20_000;
const ROWS_PER_WANTED = 20;
/** How many times more rows the next attempt looks at. */
const GROWTH = 8;
/** Commits that are gone through for a bound: enough for as many rows when each has so few, within limits. */
const ROWS_PER_COMMIT = 20;
const MAX_COMMITS = 10_000;

interface Wanted {
  readonly table: 'spans' | 'logs' | 'metrics';
  readonly limit: number;
  /** The window's first time. */
  readonly fromNs: string | undefined;
  /** Nothing later is wanted: the window's last time, or where a page goes on. */
  readonly toNs: string | undefined;
}

/**
 * The `limit` newest rows of a table without going through all of it. `readAfter` gives the newest rows later than a
 * time, of all rows when it is `undefined`. As everything else is older, so many rows from behind any time are the
 * newest ones there are; which time it is only decides how much DuckDB can skip, by the range of times that it keeps
 * of every row group.
 */
export async function readNewest(
  context: ReadContext,
  { limit, ...wanted }: Wanted,
  readAfter: (afterNs: bigint | undefined) => Promise<QueryRows>,
): Promise<QueryRows> {
  for (let rows = Math.max(LEAST_ROWS, ROWS_PER_WANTED * limit); ; rows *= GROWTH) {
    const afterNs = await timeBehind(context, rows, wanted);
    if (afterNs === undefined || afterNs < BigInt(wanted.fromNs ?? 0)) return readAfter(undefined);
    const newest = await readAfter(afterNs);
    if (newest.count >= limit) return newest;
  }
}

/** A time that about so many rows are later than, as the newest commits have it; `undefined` when they have fewer. */
async function timeBehind(
  { connection, asOf }: ReadContext,
  rows: number,
  { table, toNs }: Omit<Wanted, 'limit'>,
): Promise<bigint | undefined> {
  const commits = Math.min(Math.ceil(rows / ROWS_PER_COMMIT), MAX_COMMITS);
  const latest = `${table}_to_ns`;
  // Where a page goes on is about where commits do not reach beyond it.
  const last =
    toNs === undefined
      ? `${asOf}`
      : `(SELECT coalesce(min(commit_no), ${asOf}) FROM store.commits WHERE ${latest} > ${toNs} AND commit_no <= ${asOf})`;
  const result = await query(
    connection,
    `SELECT ${latest} FROM (
       SELECT ${latest}, sum(${table}) OVER (ORDER BY ${latest} DESC) AS row_count FROM store.commits
       WHERE commit_no <= ${last} AND commit_no > ${last} - ${commits} AND ${table} > 0
     ) WHERE row_count >= ${rows} ORDER BY ${latest} DESC LIMIT 1`,
  );
  for (const time of result.column(0)) return time as bigint;
  return undefined;
}
