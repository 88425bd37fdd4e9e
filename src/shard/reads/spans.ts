import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { nanosKey, rowLine } from '../../shared/read/ndjson.ts';
import { spanRowJson } from '../rows.ts';
import { columnList, recordOf, type SpanRecord, TABLES } from '../store/tables.ts';
import { wordsOf } from '../words.ts';
import { type QueryRows, query, type ReadRows } from './read.ts';
import { allOf, createParameters, memberPointer, type Parameters, when } from './where.ts';

/** Where a page ended: every part of the order, so that the next page starts right behind it. */
interface PageEnd {
  readonly span: SpanRecord;
  readonly commitNo: bigint;
  readonly ordinal: number;
}

interface Page {
  readonly result: QueryRows;
  /** How many of the rows are the last commit of their span. */
  readonly current: number;
  readonly end: PageEnd | undefined;
}

const COLUMNS = Object.keys(TABLES.spans).length;
const COMMIT_NO = COLUMNS;
const ORDINAL = COLUMNS + 1;
const IS_SUPERSEDED = COLUMNS + 2;

/**
 * Spans, newest first, each in its last commit. The newest candidates are taken first and only those are checked
 * for a later commit; where some fall out the next page fills the gap.
 */
export async function readSpans(
  connection: DuckDBConnection,
  request: ParsedShardRead<'spans'>,
): Promise<ReadRows> {
  const pages: QueryRows[] = [];
  let found = 0;
  let end: PageEnd | undefined;
  // Pages double, so that a span that was sent a thousand times costs ten queries and not a thousand.
  for (let pageSize = request.limit; found < request.limit; pageSize *= 2) {
    const page = await readPage(connection, { request, pageSize, after: end });
    pages.push(page.result);
    found += page.current;
    end = page.end;
    if (page.result.count < pageSize) break;
  }
  const count = Math.min(found, request.limit);
  return { count, lines: render(pages, count), truncated: false };
}

interface PageRequest {
  readonly request: ParsedShardRead<'spans'>;
  readonly pageSize: number;
  readonly after: PageEnd | undefined;
}

async function readPage(
  connection: DuckDBConnection,
  { request, pageSize, after }: PageRequest,
): Promise<Page> {
  const parameters = createParameters();
  const conditions = allOf([...filters(request, parameters), when(after, end => behind(end, parameters))]);
  const order = 'ORDER BY start_ns DESC, trace_id DESC, span_id DESC, commit_no DESC, ordinal DESC';
  const result = await query(
    connection,
    `WITH candidates AS MATERIALIZED (
       SELECT * FROM spans WHERE ${conditions} ${order} LIMIT ${parameters.unsigned(String(pageSize))}
     )
     SELECT ${columnList('spans')}, commit_no, ordinal, EXISTS (
       SELECT 1 FROM spans later
       WHERE later.trace_id = candidates.trace_id AND later.span_id = candidates.span_id
         AND (later.commit_no, later.ordinal) > (candidates.commit_no, candidates.ordinal)
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
    span: recordOf('spans', row),
    commitNo: row[COMMIT_NO] as bigint,
    ordinal: row[ORDINAL] as number,
  };
}

function filters(request: ParsedShardRead<'spans'>, parameters: Parameters): readonly (string | undefined)[] {
  return [
    when(request.service, service => `service = ${parameters.text(service)}`),
    when(request.operation, part => `contains(operation, ${parameters.text(part)})`),
    when(request.minDurationNs, min => `duration_ns >= ${parameters.signed(min)}`),
    when(request.maxDurationNs, max => `duration_ns <= ${parameters.signed(max)}`),
    when(request.status, status => `status = ${parameters.text(status)}`),
    when(request.fromNs, from => `start_ns >= ${parameters.unsigned(from)}`),
    ...request.attributes.map(
      ([key, value]) =>
        `json_extract_string(attributes, ${parameters.text(memberPointer(key))}) = ${parameters.text(value)}`,
    ),
    when(request.textWords, texts => hasAllWords(texts, parameters)),
  ];
}

/** Traces whose prompts and completions hold every word; no words match nothing (contract §1.1, `text`). */
function hasAllWords(texts: readonly string[], parameters: Parameters): string {
  const words = new Set(texts.flatMap(text => [...wordsOf(text)]));
  if (words.size === 0) return 'false';
  const list = Array.from(words, word => parameters.text(word)).join(', ');
  // One subquery for all: one for each costs DuckDB minutes of planning from a hundred words on.
  return `trace_id IN (
    SELECT trace_id FROM text_words WHERE word IN (${list})
    GROUP BY trace_id HAVING count(DISTINCT word) = ${words.size}
  )`;
}

function behind({ span, commitNo, ordinal }: PageEnd, parameters: Parameters): string {
  const startNs = parameters.unsigned(span.start_ns.toString());
  const traceId = parameters.text(span.trace_id);
  const spanId = parameters.text(span.span_id);
  const commit = `${parameters.unsigned(commitNo.toString())}, ${parameters.unsigned(String(ordinal))}`;
  // The first half is implied by the second; it lets DuckDB skip whole row groups by their time range.
  return `start_ns <= ${startNs}
    AND (start_ns, trace_id, span_id, commit_no, ordinal) < (${startNs}, ${traceId}, ${spanId}, ${commit})`;
}

function* render(pages: readonly QueryRows[], count: number): Generator<string> {
  let left = count;
  for (const page of pages) {
    for (const row of page.rows()) {
      if (row[IS_SUPERSEDED] === true) continue;
      if (left-- === 0) return;
      const span = recordOf('spans', row);
      yield rowLine([nanosKey(span.start_ns), span.trace_id, span.span_id], spanRowJson(span));
    }
  }
}
