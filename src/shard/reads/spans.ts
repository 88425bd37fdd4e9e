import type { DuckDBValue } from '@duckdb/node-api';
import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { columnList, renderLines } from '../rows/row-kind.ts';
import { SPAN_ROWS } from '../rows/span-row.ts';
import { matchingTraces } from '../search/matching-traces.ts';
import { joinPicked, type PickedRows } from '../search/picked-rows.ts';
import { parseTextQuery, type TextQuery } from '../search/text-query.ts';
import { inTraceWithWords } from '../search/word-tables.ts';
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

/** A span that a read found, with every part of the order, so that the next page starts right behind it. */
interface Found extends FoundSpan {
  readonly startNs: bigint;
}

const TRACE_ID = SPAN_ROWS.columns.indexOf('trace_id');
const SPAN_ID = SPAN_ROWS.columns.indexOf('span_id');
const START_NS = SPAN_ROWS.columns.indexOf('start_ns');
const COMMIT_NO = SPAN_ROWS.columns.length;
const ROW_ID = COMMIT_NO + 1;

/** For a common word the newest spans are enough; only when they are not, the word table is asked, which is large. */
const FIRST_LOOK_ROWS = 2000;

/**
 * Spans, newest first, each in its last commit. The newest candidates are taken first and only those are checked
 * for a later commit and for the text of their trace; where some fall out the next page fills the gap.
 */
export async function readSpans(
  context: ReadContext,
  request: ParsedShardRead<'spans'>,
): Promise<Iterable<string>> {
  const wanted = Math.min(request.limit, context.mostRows);
  const text = request.text === undefined ? undefined : parseTextQuery(request.text);
  const parts: PickedRows[] = [];
  if (wanted > 0 && text?.words.length !== 0) {
    let found = 0;
    for await (const result of newestPages(context, { request, wanted, text })) {
      const positions = await pick(context, result, text);
      parts.push({ result, positions });
      found += positions.length;
      if (found >= wanted) break;
    }
  }
  return renderLines(context.connection, SPAN_ROWS, joinPicked(parts, wanted));
}

interface Search {
  readonly request: ParsedShardRead<'spans'>;
  readonly wanted: number;
  readonly text: TextQuery | undefined;
}

async function* newestPages(
  context: ReadContext,
  { request, wanted, text }: Search,
): AsyncGenerator<QueryRows> {
  let pageRows = text === undefined ? wanted : Math.max(wanted, FIRST_LOOK_ROWS);
  let narrowing: TextQuery | undefined;
  const { fromNs } = request;
  const toNs = request.startAt?.[0] ?? request.toNs;
  for await (const slice of newestSlices(context, { table: 'spans', limit: pageRows, fromNs, toNs })) {
    let after: Found | undefined;
    // Pages double, so that a span that was sent a thousand times costs ten queries and not a thousand.
    for (; ; pageRows *= 2) {
      const result = await readPage(context, { request, slice, pageRows, after, narrowing });
      yield result;
      if (result.count < pageRows) break;
      after = lastOf(result);
      narrowing = text;
    }
    narrowing = text;
  }
}

interface PageRequest {
  readonly request: ParsedShardRead<'spans'>;
  readonly slice: TimeSlice;
  readonly pageRows: number;
  readonly after: Found | undefined;
  /** Only spans of traces with these words. */
  readonly narrowing: TextQuery | undefined;
}

function readPage(
  context: ReadContext,
  { request, slice, pageRows, after, narrowing }: PageRequest,
): Promise<QueryRows> {
  const parameters = createParameters();
  const conditions = allOf([
    `commit_no <= ${context.asOf}`,
    inSlice('start_ns', slice),
    ...filters(request, parameters),
    when(narrowing, text => inTraceWithWords(context, text, parameters)),
    when(after, end => behind(end, parameters)),
  ]);
  return query(
    context.connection,
    `SELECT ${columnList(SPAN_ROWS)}, commit_no, rowid FROM store.spans WHERE ${conditions}
     ORDER BY start_ns DESC, trace_id DESC, span_id DESC, commit_no DESC, rowid DESC LIMIT ${pageRows}`,
    parameters,
  );
}

/** The positions of the rows that are the last commit of their span and whose trace holds the text. */
async function pick(
  context: ReadContext,
  page: QueryRows,
  text: TextQuery | undefined,
): Promise<readonly number[]> {
  const spans = Array.from(page.rows(), foundSpan);
  const superseded = await supersededOf(context, spans);
  const current = [...spans.entries()].filter(([, { rowId }]) => !superseded.has(rowId));
  const positions = current.map(([position]) => position);
  if (text === undefined) return positions;
  const traces = current.map(([, { traceId }]) => traceId);
  const matching = await matchingTraces(context, traces, text);
  return positions.filter((_, index) => matching.has(traces[index] as bigint));
}

function lastOf(page: QueryRows): Found | undefined {
  let last: readonly DuckDBValue[] | undefined;
  for (const row of page.rows()) last = row;
  return last && foundSpan(last);
}

function foundSpan(row: readonly DuckDBValue[]): Found {
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
    when(request.startAt, ([startNs, traceId, spanId]) =>
      fromKey(['start_ns', 'trace_id', 'span_id'], '<=', [
        parameters.unsigned(startNs),
        hexLiteral(traceId, 'UHUGEINT'),
        hexLiteral(spanId, 'UBIGINT'),
      ]),
    ),
  ];
}

function behind(end: Found, parameters: Parameters): string {
  const startNs = parameters.unsigned(end.startNs.toString());
  // The first half is implied by the second; it lets DuckDB skip whole row groups by their time range.
  return `start_ns <= ${startNs}
    AND (start_ns, trace_id, span_id, commit_no, rowid)
      < (${startNs}, ${end.traceId}::UHUGEINT, ${end.spanId}::UBIGINT, ${end.commitNo}::UBIGINT, ${end.rowId})`;
}
