import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { renderLines } from '../rows/row-kind.ts';
import { matchingTraces } from '../search/matching-traces.ts';
import { addPicked, joinPicked, onlyPicked, type PickedRows } from '../search/picked-rows.ts';
import { parseTextQuery, type TextQuery } from '../search/text-query.ts';
import { ALL_TIME, newestSlices, type Wanted } from './newest.ts';
import type { ReadContext } from './read.ts';
import {
  type PageSpan,
  readSpanPage,
  SPAN_TEXT_BYTES,
  type SpanPage,
  spanKind,
  spansOf,
} from './span-pages.ts';
import { supersededOf } from './superseded.ts';

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
  };
  const parts: PickedRows[] = [];
  let found = 0;
  for await (const part of search.text === undefined ? newest(context, search) : withText(context, search)) {
    parts.push(onlyPicked(part));
    found += part.positions.length;
    if (found >= limit) break;
  }
  return renderLines(context.connection, spanKind(request), joinPicked(parts, limit));
}

interface Search {
  readonly request: ParsedShardRead<'spans'>;
  readonly wanted: Wanted;
  readonly text: TextQuery | undefined;
}

async function* newest(context: ReadContext, search: Search): AsyncGenerator<PickedRows> {
  for await (const slice of newestSlices(context, search.wanted)) {
    yield* pagesFrom(context, search, { slice, rows: search.wanted.limit });
  }
}

/** For a common word the newest spans are enough; only when they are not, the word table is asked, which is large. */
const FIRST_LOOK_ROWS = 2000;

async function* withText(context: ReadContext, search: Search): AsyncGenerator<PickedRows> {
  const { text, wanted } = search;
  if (text?.words.length === 0) return;
  let rest: Omit<Place, 'rows'> = { slice: ALL_TIME };
  if (wanted.limit <= FIRST_LOOK_ROWS) {
    const slices = newestSlices(context, { ...wanted, limit: FIRST_LOOK_ROWS });
    const slice = (await slices.next()).value ?? ALL_TIME;
    const page = await readPage(context, search, { slice, rows: FIRST_LOOK_ROWS });
    yield page;
    if (page.end !== undefined) rest = { slice: ALL_TIME, after: page.end };
    else if (slice.afterNs === undefined) return;
    else rest = { slice: { afterNs: undefined, untilNs: slice.afterNs } };
  }
  const rows = Math.max(wanted.limit, FIRST_LOOK_ROWS);
  yield* pagesFrom(context, search, { ...rest, rows, narrowing: text });
}

type Place = Omit<SpanPage, 'request'>;

interface Page extends PickedRows {
  /** Its last span, unless there are no more. */
  readonly end: PageSpan | undefined;
}

async function* pagesFrom(context: ReadContext, search: Search, first: Place): AsyncGenerator<PickedRows> {
  let { after } = first;
  // Doubled, so that a span that was sent a thousand times costs ten queries and not a thousand.
  for (let mostRows = first.rows; ; mostRows *= 2) {
    const rows = context.pages.next(mostRows);
    if (rows === 0) return;
    const page = await readPage(context, search, { ...first, rows, after });
    addPicked(context.pages, page, SPAN_TEXT_BYTES);
    yield page;
    if (page.end === undefined) return;
    after = page.end;
  }
}

async function readPage(context: ReadContext, { request, text }: Search, place: Place): Promise<Page> {
  const result = await readSpanPage(context, { ...place, request });
  const spans = spansOf(result);
  const superseded = await supersededOf(context, spans);
  const current = [...spans.keys()].filter(position => !superseded.has((spans[position] as PageSpan).rowId));
  const end = result.count < place.rows ? undefined : spans.at(-1);
  if (text === undefined) return { result, positions: current, end };
  const traceIdAt = (position: number) => (spans[position] as PageSpan).traceId;
  const matching = await matchingTraces(context, current.map(traceIdAt), text);
  return { result, positions: current.filter(position => matching.has(traceIdAt(position))), end };
}
