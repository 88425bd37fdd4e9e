import type { DuckDBValue } from '@duckdb/node-api';
import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { rowLine } from '../../shared/read/ndjson.ts';
import { columnList, sourcesOf, storedRow } from '../rows/row-kind.ts';
import { SPAN_ROWS } from '../rows/span-row.ts';
import type { Source } from '../store/tables.ts';
import { wordsOf } from '../words.ts';
import { hasAttributeKeys, hasAttributes } from './attributes.ts';
import { type QueryRows, query, type ReadContext } from './read.ts';
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
interface PageEnd {
  readonly startNs: bigint;
  readonly traceId: bigint;
  readonly spanId: bigint;
  readonly commitNo: bigint;
  readonly rowId: bigint;
}

interface Page {
  readonly result: QueryRows;
  /** How many of the rows are the last commit of their span. */
  readonly current: number;
  readonly end: PageEnd | undefined;
}

const TRACE_ID = SPAN_ROWS.columns.indexOf('trace_id');
const SPAN_ID = SPAN_ROWS.columns.indexOf('span_id');
const START_NS = SPAN_ROWS.columns.indexOf('start_ns');
const COMMIT_NO = SPAN_ROWS.columns.length;
const ROW_ID = COMMIT_NO + 1;
const IS_SUPERSEDED = COMMIT_NO + 2;

/**
 * Spans, newest first, each in its last commit. The newest candidates are taken first and only those are checked
 * for a later commit; where some fall out the next page fills the gap.
 */
export async function readSpans(
  context: ReadContext,
  request: ParsedShardRead<'spans'>,
): Promise<Iterable<string>> {
  const wanted = Math.min(request.limit, context.mostRows);
  const pages: QueryRows[] = [];
  let found = 0;
  let end: PageEnd | undefined;
  // Pages double, so that a span that was sent a thousand times costs ten queries and not a thousand.
  for (let pageSize = wanted; found < wanted; pageSize *= 2) {
    const page = await readPage(context, { request, pageSize, after: end });
    pages.push(page.result);
    found += page.current;
    end = page.end;
    if (page.result.count < pageSize) break;
  }
  const sources = await sourcesOf(context.connection, SPAN_ROWS, pages);
  return render(pages, sources, wanted);
}

interface PageRequest {
  readonly request: ParsedShardRead<'spans'>;
  readonly pageSize: number;
  readonly after: PageEnd | undefined;
}

async function readPage(
  { connection, asOf }: ReadContext,
  { request, pageSize, after }: PageRequest,
): Promise<Page> {
  const parameters = createParameters();
  const conditions = allOf([
    `commit_no <= ${asOf}`,
    ...filters(request, parameters),
    when(after, end => behind(end, parameters)),
  ]);
  const order = 'ORDER BY start_ns DESC, trace_id DESC, span_id DESC, commit_no DESC, row_id DESC';
  const result = await query(
    connection,
    `WITH candidates AS MATERIALIZED (
       SELECT *, rowid AS row_id FROM store.spans WHERE ${conditions} ${order} LIMIT ${pageSize}
     )
     SELECT ${columnList(SPAN_ROWS)}, commit_no, row_id, EXISTS (
       SELECT 1 FROM store.spans later
       WHERE later.trace_id = candidates.trace_id AND later.span_id = candidates.span_id
         AND later.commit_no <= ${asOf}
         AND (later.commit_no, later.rowid) > (candidates.commit_no, candidates.row_id)
     ) FROM candidates ${order}`,
    parameters,
  );
  let current = 0;
  let last: DuckDBValue[] | undefined;
  for (const row of result.rows()) {
    if (row[IS_SUPERSEDED] === false) current++;
    last = row;
  }
  return { result, current, end: last === undefined ? undefined : pageEnd(last) };
}

function pageEnd(row: readonly DuckDBValue[]): PageEnd {
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
  pages: readonly QueryRows[],
  sources: ReadonlyMap<number, Source>,
  count: number,
): Generator<string> {
  let left = count;
  for (const page of pages) {
    for (const row of page.rows()) {
      if (row[IS_SUPERSEDED] === true) continue;
      if (left-- === 0) return;
      const span = storedRow(SPAN_ROWS, row, sources);
      yield rowLine(SPAN_ROWS.key(span), SPAN_ROWS.json(span));
    }
  }
}
