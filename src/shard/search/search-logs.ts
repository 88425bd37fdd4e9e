import { inSlice, newestSlices, type TimeSlice, type Wanted } from '../reads/newest.ts';
import type { ReadContext } from '../reads/read.ts';
import { type Conditions, type KeySearch, keyPages, placeOf } from '../reads/row-keys.ts';
import type { RowKey } from '../reads/row-order.ts';
import { singleCommit } from '../reads/service-counts.ts';
import { type RowPlace, type Selection, wideRows } from '../reads/wide-rows.ts';
import { type Body, type BodySearch, bodyCondition, matchingBodies } from './body-filter.ts';
import { NEWEST_LOGS_FIRST } from './log-order.ts';
import { commitsWithWords } from './word-tables.ts';

export interface LogSearch {
  readonly wanted: Wanted;
  readonly body: BodySearch;
  /** What rows must meet besides. */
  readonly conditions: Conditions;
}

/** So many commits are read faster one by one than all logs of a time. */
const MAX_COMMITS = 200;

/**
 * The rows of the newest logs whose bodies match, page by page. For a common word the newest logs are enough. Only when
 * they are not, the word table is asked, which is large; a rare word is then looked for in the commits that have it.
 */
export async function* searchLogs(
  context: ReadContext,
  search: LogSearch,
): AsyncGenerator<readonly RowPlace[]> {
  const { text } = search.body;
  if (text?.words.length === 0) return;
  let isCommon = false;
  for await (const slice of newestSlices(context, search.wanted)) {
    const isNewest = slice.untilNs === undefined;
    if (text === undefined || isNewest) {
      yield* matchingPages(context, search, { slice });
      continue;
    }
    if (!isCommon) {
      // At once for all slices that are left: of a word that is nowhere this is all there is to do.
      const commits = await commitsWithWords(context, text, BigInt(search.wanted.fromNs ?? 0));
      const rest = { afterNs: undefined, untilNs: slice.untilNs };
      if (commits.length <= MAX_COMMITS)
        return yield* matchingPages(context, search, { slice: rest, commits });
      isCommon = true;
    }
    const commits = await commitsWithWords(context, text, slice.afterNs ?? BigInt(search.wanted.fromNs ?? 0));
    const isRare = commits.length <= MAX_COMMITS;
    yield* matchingPages(context, search, isRare ? { slice, commits } : { slice });
  }
}

interface Place {
  readonly slice: TimeSlice;
  /** The commits to look at; all when left out. */
  readonly commits?: readonly bigint[];
}

async function* matchingPages(
  context: ReadContext,
  search: LogSearch,
  place: Place,
): AsyncGenerator<readonly RowPlace[]> {
  const keys = keyPages(context, candidates(search, place));
  for await (const page of keys) yield await matching(context, page, search.body);
}

const MIN_PAGE_ROWS = 200;

/** What may match. */
function candidates({ body, conditions, wanted }: LogSearch, { slice, commits }: Place): KeySearch {
  return {
    order: NEWEST_LOGS_FIRST,
    rows: Math.max(wanted.limit, MIN_PAGE_ROWS),
    commits: commits?.map(singleCommit),
    conditions: parameters => [
      inSlice('time_ns', slice),
      ...conditions(parameters),
      bodyCondition(body, parameters),
    ],
  };
}

const BODIES: Selection = {
  table: 'logs',
  columns: ['body', 'body_sha256'],
  texts: ['body'],
  time: 'time_ns',
};

/** What does. */
async function matching(
  { connection }: ReadContext,
  keys: readonly RowKey[],
  search: BodySearch,
): Promise<readonly RowPlace[]> {
  const places = keys.map(placeOf);
  const found: RowPlace[] = [];
  let start = 0;
  for await (const piece of wideRows(connection, BODIES, places)) {
    const bodies = Array.from(
      piece.rows() as Iterable<[string, string | null]>,
      ([body, sha256]): Body => ({
        body,
        sha256,
      }),
    );
    for (const position of await matchingBodies(connection, bodies, search))
      found.push(places[start + position] as RowPlace);
    start += piece.count;
  }
  return found;
}
