import type { DuckDBValue } from '@duckdb/node-api';
import { inSlice, type TimeSlice } from '../reads/newest.ts';
import { type QueryRows, query } from '../reads/query.ts';
import type { ReadContext } from '../reads/read.ts';
import { allOf, createParameters, type Parameters } from '../reads/where.ts';
import { LOG_ROWS } from '../rows/log-row.ts';
import { columnList, textBytes } from '../rows/row-kind.ts';

export interface LogPage {
  readonly slice: TimeSlice;
  readonly conditions: (parameters: Parameters) => readonly (string | undefined)[];
  /** The commits to look at; all when absent. */
  readonly commits?: readonly bigint[] | undefined;
  readonly after?: LogPageEnd | undefined;
  readonly rows: number;
}

/** The order's columns of a page's last row, of which no two rows have the same. */
export type LogPageEnd = readonly bigint[];

const KEY = ['time_ns', 'observed_ns', 'trace_id', 'span_id', 'tie', 'row_id'] as const;
const KEY_TYPES = ['UBIGINT', 'UBIGINT', 'UHUGEINT', 'UBIGINT', 'UBIGINT', 'BIGINT'] as const;
const ORDER = `ORDER BY ${KEY.map(column => `${column} DESC`).join(', ')}`;
const COLUMNS = [...LOG_ROWS.columns, 'row_id', 'text_bytes'];
/** The column of a page that has the bytes of its rows' texts. */
export const LOG_TEXT_BYTES = COLUMNS.indexOf('text_bytes');
const KEY_POSITIONS = KEY.map(column => COLUMNS.indexOf(column));

/** The newest logs behind the end of a page; the columns of a log row come first. */
export function readLogPage({ connection }: ReadContext, page: LogPage): Promise<QueryRows> {
  const parameters = createParameters();
  const conditions = allOf([
    inSlice('time_ns', page.slice),
    ...page.conditions(parameters),
    page.after === undefined ? undefined : behind(page.after),
  ]);
  return query(
    connection,
    `SELECT ${columnList(LOG_ROWS)}, row_id, ${textBytes(LOG_ROWS)} AS text_bytes FROM (${logsOf(page.commits)}) WHERE ${conditions}
     ${ORDER} LIMIT ${page.rows}`,
    parameters,
  );
}

/** `undefined` when the page has no rows. */
export function logPageEnd(page: QueryRows): LogPageEnd | undefined {
  let last: readonly DuckDBValue[] | undefined;
  for (const row of page.rows()) last = row;
  return last === undefined ? undefined : KEY_POSITIONS.map(position => last[position] as bigint);
}

function logsOf(commits: readonly bigint[] | undefined): string {
  const logs = 'SELECT *, rowid AS row_id FROM store.logs';
  if (commits === undefined) return logs;
  if (commits.length === 0) return `${logs} WHERE false`;
  // One after the other DuckDB finds them at once; for a list of them it goes through all bodies.
  return commits.map(commitNo => `${logs} WHERE commit_no = ${commitNo}`).join(' UNION ALL ');
}

function behind(end: LogPageEnd): string {
  const values = end.map((value, index) => `${value}::${KEY_TYPES[index]}`);
  // The first half is implied by the second; it lets DuckDB skip whole row groups by their time range.
  return `time_ns <= ${values[0]} AND (${KEY.join(', ')}) < (${values.join(', ')})`;
}
