import type { DuckDBValue } from '@duckdb/node-api';
import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { columnList, sourcesOf, storedRow } from '../rows/row-kind.ts';
import { SPAN_ROWS } from '../rows/span-row.ts';
import type { Source } from '../store/tables.ts';
import { wordsOf } from '../words.ts';
import { hasAttributeKeys, hasAttributes } from './attributes.ts';
import { inSlice, newestSlices, type TimeSlice } from './newest.ts';
import { type QueryRows, query, type ReadContext } from './read.ts';
import { type FoundSpan, supersededOf } from './superseded.ts';
import {
  allOf,
  createParameters,
  fromKey,
  hexLiteral,
  type Parameters,
  timeWindow,
  when,
  within,
} from './where.ts';

/** Where a page ended: every part of the order, so that the next page starts right behind it. */
interface PageEnd extends FoundSpan {
  readonly startNs: bigint;
}

interface Page {
  readonly result: QueryRows;
  /** Rows that are not the last of their span. */
  readonly superseded: ReadonlySet<bigint>;
}

const TRACE_ID = SPAN_ROWS.columns.indexOf('trace_id');
const SPAN_ID = SPAN_ROWS.columns.indexOf('span_id');
const START_NS = SPAN_ROWS.columns.indexOf('start_ns');
const COMMIT_NO = SPAN_ROWS.columns.length;
const ROW_ID = COMMIT_NO + 1;

/** Spans, newest first, each in its last commit. Only spans that were found are checked for a later commit. */
export async function readSpans(
  context: ReadContext,
  request: ParsedShardRead<'spans'>,
): Promise<Iterable<string>> {
  const wanted = Math.min(request.limit, context.mostRows);
  const pages: Page[] = [];
  let found = 0;
  for await (const page of newestPages(context, request, wanted)) {
    pages.push(page);
    found += page.result.count - page.superseded.size;
    if (found >= wanted) break;
  }
  const results = pages.map(page => page.result);
  const sources = await sourcesOf(context.connection, SPAN_ROWS, results);
  return render(pages, sources, wanted);
}

async function* newestPages(
  context: ReadContext,
  request: ParsedShardRead<'spans'>,
  wanted: number,
): AsyncGenerator<Page> {
  const { fromNs } = request;
  const toNs = request.startAt?.[0] ?? request.toNs;
  for await (const slice of newestSlices(context, { table: 'spans', limit: wanted, fromNs, toNs })) {
    let after: PageEnd | undefined;
    // Pages double, so that a span that was sent a thousand times costs ten queries and not a thousand.
    for (let pageSize = wanted; ; pageSize *= 2) {
      const result = await readPage(context, { request, slice, pageSize, after });
      const spans = Array.from(result.rows(), foundSpan);
      yield { result, superseded: await supersededOf(context, spans) };
      if (result.count < pageSize) break;
      after = spans.at(-1);
    }
  }
}

interface PageRequest {
  readonly request: ParsedShardRead<'spans'>;
  readonly slice: TimeSlice;
  readonly pageSize: number;
  readonly after: PageEnd | undefined;
}

function readPage(
  { connection, asOf }: ReadContext,
  { request, slice, pageSize, after }: PageRequest,
): Promise<QueryRows> {
  const parameters = createParameters();
  const conditions = allOf([
    `commit_no <= ${asOf}`,
    inSlice('start_ns', slice),
    ...filters(request, parameters),
    when(after, end => behind(end, parameters)),
  ]);
  return query(
    connection,
    `SELECT ${columnList(SPAN_ROWS)}, commit_no, rowid FROM store.spans WHERE ${conditions}
     ORDER BY start_ns DESC, trace_id DESC, span_id DESC, commit_no DESC, rowid DESC LIMIT ${pageSize}`,
    parameters,
  );
}

function foundSpan(row: readonly DuckDBValue[]): PageEnd {
  return {
    startNs: row[START_NS] as bigint,
    traceId: row[TRACE_ID] as bigint,
    spanId: row[SPAN_ID] as bigint,
    commitNo: row[COMMIT_NO] as bigint,
    rowId: row[ROW_ID] as bigint,
  };
}

function filters(request: ParsedShardRead<'spans'>, parameters: Parameters): readonly (string | undefined)[] {
  return [
    when(request.service, service => `service = ${parameters.text(service)}`),
    when(request.operation, part => `contains(operation, ${parameters.text(part)})`),
    within(
      'duration_ns',
      'signed',
      { atLeast: request.minDurationNs, atMost: request.maxDurationNs },
      parameters,
    ),
    when(request.status, status => `status = ${parameters.text(status)}`),
    timeWindow('start_ns', request, parameters),
    ...hasAttributes(request.attributes, parameters),
    ...hasAttributeKeys(request.attributeKeys, parameters),
    when(request.textWords, texts => hasAllWords(texts, parameters)),
    when(request.startAt, ([startNs, traceId, spanId]) =>
      fromKey(['start_ns', 'trace_id', 'span_id'], '<=', [
        parameters.unsigned(startNs),
        hexLiteral(traceId, 'UHUGEINT'),
        hexLiteral(spanId, 'UBIGINT'),
      ]),
    ),
  ];
}

/** Traces whose prompts and completions hold every word; no words match nothing (contract §1.1, `text`). */
function hasAllWords(texts: readonly string[], parameters: Parameters): string {
  const words = new Set(texts.flatMap(text => [...wordsOf(text)]));
  if (words.size === 0) return 'false';
  const list = Array.from(words, word => parameters.text(word)).join(', ');
  // One subquery for all: one for each costs DuckDB minutes of planning from a hundred words on.
  return `trace_id IN (
    SELECT trace_id FROM store.span_words WHERE word IN (${list})
    GROUP BY trace_id HAVING count(DISTINCT word) = ${words.size}
  )`;
}

function behind(end: PageEnd, parameters: Parameters): string {
  const startNs = parameters.unsigned(end.startNs.toString());
  // The first half is implied by the second; it lets DuckDB skip whole row groups by their time range.
  return `start_ns <= ${startNs}
    AND (start_ns, trace_id, span_id, commit_no, rowid)
      < (${startNs}, ${end.traceId}::UHUGEINT, ${end.spanId}::UBIGINT, ${end.commitNo}::UBIGINT, ${end.rowId})`;
}

function* render(
  pages: readonly Page[],
  sources: ReadonlyMap<number, Source>,
  count: number,
): Generator<string> {
  let left = count;
  for (const { result, superseded } of pages) {
    for (const row of result.rows()) {
      if (superseded.has(row[ROW_ID] as bigint)) continue;
      if (left-- === 0) return;
      const span = storedRow(SPAN_ROWS, row, sources);
      yield rowLine(SPAN_ROWS.key(span), SPAN_ROWS.json(span));
    }
  }
}
