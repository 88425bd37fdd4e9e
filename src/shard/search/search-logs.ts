import type { QueryRows, ReadContext } from '../reads/read.ts';
import type { Parameters } from '../reads/where.ts';
import { LOG_ROWS } from '../rows/log-row.ts';
import { type Body, type BodySearch, bodyCondition, matchingBodies } from './body-filter.ts';
import { type LogPage, type LogPageEnd, logPageEnd, readLogPage } from './log-page.ts';
import { joinPicked, type PickedRows } from './picked-rows.ts';
import { commitsWithWords } from './word-tables.ts';

export interface LogSearch {
  readonly body: BodySearch;
  /** What rows must meet besides. */
  readonly conditions: (parameters: Parameters) => readonly (string | undefined)[];
  /** Those conditions exclude rows before it. */
  readonly fromNs: string | undefined;
  readonly limit: number;
}

/** For a common word the newest rows are enough; only when they are not, the word table is asked, which is large. */
const FIRST_LOOK_ROWS = 2000;
const MIN_PAGE_ROWS = 200;

/**
 * The newest logs whose bodies match. What may match is read page by page, newest first; what then does not match
 * makes room for the next page.
 */
export async function searchLogs(context: ReadContext, search: LogSearch): Promise<QueryRows> {
  const { text } = search.body;
  const parts: PickedRows[] = [];
  let found = 0;
  let after: LogPageEnd | undefined;
  let isAtEnd = search.limit === 0 || text?.words.length === 0;

  async function look(page: Omit<LogPage, 'after'>): Promise<void> {
    const result = await readLogPage(context.connection, { ...page, after });
    const positions = await matching(context, result, search.body);
    parts.push({ result, positions });
    found += positions.length;
    after = logPageEnd(result);
    isAtEnd = result.count < page.rows;
  }

  if (!isAtEnd && text !== undefined && search.limit <= FIRST_LOOK_ROWS) {
    await look({ conditions: search.conditions, rows: FIRST_LOOK_ROWS });
  }
  if (!isAtEnd && found < search.limit) {
    const commits = text && (await commitsWithWords(context, text, search.fromNs));
    const conditions = (parameters: Parameters) => [
      ...search.conditions(parameters),
      bodyCondition(search.body, parameters),
    ];
    for (let rows = Math.max(search.limit, MIN_PAGE_ROWS); !isAtEnd && found < search.limit; rows *= 2) {
      await look({ commits, conditions, rows });
    }
  }
  return joinPicked(parts, search.limit);
}

const BODY = LOG_ROWS.columns.indexOf('body');
const BODY_SHA256 = LOG_ROWS.columns.indexOf('body_sha256');

async function matching(
  { connection }: ReadContext,
  page: QueryRows,
  search: BodySearch,
): Promise<readonly number[]> {
  const hashes = page.column(BODY_SHA256)[Symbol.iterator]();
  const bodies = Array.from(
    page.column(BODY),
    (body): Body => ({ body: body as string, sha256: hashes.next().value as string | null }),
  );
  return await matchingBodies(connection, bodies, search);
}
