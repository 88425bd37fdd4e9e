import { newestSlices, type TimeSlice, type Wanted } from '../reads/newest.ts';
import type { QueryRows } from '../reads/query.ts';
import type { ReadContext } from '../reads/read.ts';
import type { Parameters } from '../reads/where.ts';
import { LOG_ROWS } from '../rows/log-row.ts';
import { type Body, type BodySearch, bodyCondition, matchingBodies } from './body-filter.ts';
import { LOG_TEXT_BYTES, type LogPageEnd, logPageEnd, readLogPage } from './log-page.ts';
import { addPicked, joinPicked, onlyPicked, type PickedRows } from './picked-rows.ts';
import { commitsWithWords } from './word-tables.ts';

export interface LogSearch {
  readonly wanted: Wanted;
  readonly body: BodySearch;
  /** What rows must meet besides. */
  readonly conditions: (parameters: Parameters) => readonly (string | undefined)[];
}

/** So many commits are read faster one by one than all logs of a time. */
const MAX_COMMITS = 200;

/** The newest logs whose bodies match. */
export async function searchLogs(context: ReadContext, search: LogSearch): Promise<QueryRows> {
  const parts: PickedRows[] = [];
  let left = search.wanted.limit;
  if (left === 0 || search.body.text?.words.length === 0) return joinPicked([], 0);
  for await (const page of searchedPages(context, search)) {
    parts.push(onlyPicked(page));
    left -= page.positions.length;
    if (left <= 0) break;
  }
  return joinPicked(parts, search.wanted.limit);
}

/**
 * For a common word the newest logs are enough. Only when they are not, the word table is asked, which is large; a
 * rare word is then looked for in the commits that have it.
 */
async function* searchedPages(context: ReadContext, search: LogSearch): AsyncGenerator<PickedRows> {
  const { text } = search.body;
  for await (const slice of newestSlices(context, search.wanted)) {
    const isNewest = slice.untilNs === undefined;
    const fromNs = slice.afterNs ?? BigInt(search.wanted.fromNs ?? 0);
    const commits =
      text === undefined || isNewest ? undefined : await commitsWithWords(context, text, fromNs);
    const isRare = commits !== undefined && commits.length <= MAX_COMMITS;
    yield* pagesOf(context, search, isRare ? { slice, commits } : { slice });
  }
}

interface Place {
  readonly slice: TimeSlice;
  readonly commits?: readonly bigint[];
}

const MIN_PAGE_ROWS = 200;

/** What may match, newest first, and where in it is what does match. */
async function* pagesOf(
  context: ReadContext,
  { body, conditions, wanted }: LogSearch,
  place: Place,
): AsyncGenerator<PickedRows> {
  const all = (parameters: Parameters) => [...conditions(parameters), bodyCondition(body, parameters)];
  let after: LogPageEnd | undefined;
  for (let mostRows = Math.max(wanted.limit, MIN_PAGE_ROWS); ; mostRows *= 2) {
    const rows = context.pages.next(mostRows);
    if (rows === 0) return;
    const result = await readLogPage(context, { ...place, conditions: all, after, rows });
    const page = { result, positions: await matching(context, result, body) };
    addPicked(context.pages, page, LOG_TEXT_BYTES);
    yield page;
    if (result.count < rows) return;
    after = logPageEnd(result);
  }
}

const BODY = LOG_ROWS.columns.indexOf('body');
const BODY_SHA256 = LOG_ROWS.columns.indexOf('body_sha256');

function matching(
  { connection }: ReadContext,
  page: QueryRows,
  search: BodySearch,
): Promise<readonly number[]> {
  const hashes = page.column(BODY_SHA256)[Symbol.iterator]();
  const bodies = Array.from(
    page.column(BODY),
    (body): Body => ({ body: body as string, sha256: hashes.next().value as string | null }),
  );
  return matchingBodies(connection, bodies, search);
}
