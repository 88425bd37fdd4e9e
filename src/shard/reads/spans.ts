import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { parseTextQuery, type TextQuery } from '../../shared/text/text-query.ts';
import { renderLines } from '../rows/row-kind.ts';
import { BARE_SPAN_ROWS, SPAN_ROWS } from '../rows/span-row.ts';
import { matchingTraces } from '../search/matching-traces.ts';
import { ALL_TIME, newestSlices, type Wanted } from './newest.ts';
import type { ReadContext } from './read.ts';
import { keyPages, readKeys } from './row-keys.ts';
import type { RowKey } from './row-order.ts';
import { foundSpan, newestSpans, type SpanSearch } from './span-keys.ts';
import { supersededOf } from './superseded.ts';
import { firstRows, type RowPlace } from './wide-rows.ts';

/** Spans, newest first, each in its last commit. Only spans that were found are checked for a later commit. */
export async function readSpans(
  context: ReadContext,
  request: ParsedShardRead<'spans'>,
): Promise<Iterable<string>> {
  const limit = Math.min(request.limit, context.mostRows);
  const search: Search = {
    request,
    wanted: { table: 'spans', limit, fromNs: request.fromNs, toNs: request.startAt?.[0] ?? request.toNs },
    text: request.text === undefined ? undefined : parseTextQuery(request.text),
    withText: new Set(request.tracesWithText.map(id => BigInt(`0x${id}`))),
  };
  const pages = search.text === undefined ? newest(context, search) : withText(context, search);
  const kind = request.bare ? BARE_SPAN_ROWS : SPAN_ROWS;
  const rows = await firstRows(context, kind, { pages, limit });
  return renderLines(context, kind, rows);
}

interface Search {
  readonly request: ParsedShardRead<'spans'>;
  readonly wanted: Wanted;
  readonly text: TextQuery | undefined;
  /** Traces that are known to hold the text. */
  readonly withText: ReadonlySet<bigint>;
}

type Place = Omit<SpanSearch, 'request'>;

async function* newest(context: ReadContext, search: Search): AsyncGenerator<readonly RowPlace[]> {
  const { request, wanted } = search;
  const rows = wanted.limit;
  const slices = newestSlices(context, wanted);
  const slice = (await slices.next()).value ?? ALL_TIME;
  yield* pagesFrom(context, search, { slice, rows });
  if (slice.afterNs === undefined) return;
  // Of a common value the newest spans are enough.
  const commits = await context.attributeValues.commitsWith(context, request);
  if (commits === undefined) {
    for await (const further of slices) yield* pagesFrom(context, search, { slice: further, rows });
  } else {
    const rest = { afterNs: undefined, untilNs: slice.afterNs };
    yield* pagesFrom(context, search, { slice: rest, commits, rows });
  }
}

/** For a common word the newest spans are enough; only when they are not, the word table is asked, which is large. */
const FIRST_LOOK_ROWS = 2000;

async function* withText(context: ReadContext, search: Search): AsyncGenerator<readonly RowPlace[]> {
  const { request, text, wanted, withText: others } = search;
  if (text === undefined || text.words.length === 0) return;
  let rest: Omit<Place, 'rows'> = { slice: ALL_TIME };
  if (wanted.limit <= FIRST_LOOK_ROWS) {
    const slices = newestSlices(context, { ...wanted, limit: FIRST_LOOK_ROWS });
    const slice = (await slices.next()).value ?? ALL_TIME;
    const look = newestSpans(context, { request, slice, rows: FIRST_LOOK_ROWS });
    const keys = await readKeys(context, look);
    yield await shown(context, search, keys);
    if (keys.length === FIRST_LOOK_ROWS) rest = { slice: ALL_TIME, after: keys.at(-1) };
    else if (slice.afterNs === undefined) return;
    else rest = { slice: { afterNs: undefined, untilNs: slice.afterNs } };
  }
  const rows = Math.max(wanted.limit, FIRST_LOOK_ROWS);
  yield* pagesFrom(context, search, { ...rest, rows, narrowing: { text, others } });
}

async function* pagesFrom(
  context: ReadContext,
  search: Search,
  place: Place,
): AsyncGenerator<readonly RowPlace[]> {
  const spans = newestSpans(context, { ...place, request: search.request });
  for await (const keys of keyPages(context, spans)) yield await shown(context, search, keys);
}

/** Which rows of a page an answer shows: none that was stored again later, nor one whose trace lacks the text. */
async function shown(
  context: ReadContext,
  { text, withText }: Search,
  keys: readonly RowKey[],
): Promise<readonly RowPlace[]> {
  const spans = keys.map(foundSpan);
  const superseded = await supersededOf(context, spans);
  const current = spans.filter(({ rowId }) => !superseded.has(rowId));
  if (text === undefined) return current;
  const unknown = current.map(({ traceId }) => traceId).filter(id => !withText.has(id));
  const matching = await matchingTraces(context, unknown, text);
  return current.filter(({ traceId }) => withText.has(traceId) || matching.has(traceId));
}
