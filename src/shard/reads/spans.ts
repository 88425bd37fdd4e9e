import type { DuckDBValue } from '@duckdb/node-api';
import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { columnList, renderLines } from '../rows/row-kind.ts';
import { SPAN_ROWS } from '../rows/span-row.ts';
import { matchingTraces } from '../search/matching-traces.ts';
import { joinPicked, type PickedRows } from '../search/picked-rows.ts';
import { parseTextQuery, type TextQuery } from '../search/text-query.ts';
import { inTraceWithWords } from '../search/word-tables.ts';
import { type QueryRows, query, type ReadContext, type ReadRows } from './read.ts';
import { allOf, createParameters, memberPointer, type Parameters, when } from './where.ts';

/** Where a page ended: every part of the order, so that the next page starts right behind it. */
interface PageEnd {
  readonly startNs: bigint;
  readonly traceId: bigint;
  readonly spanId: bigint;
  readonly commitNo: bigint;
  readonly rowId: bigint;
}

const TRACE_ID = SPAN_ROWS.columns.indexOf('trace_id');
const SPAN_ID = SPAN_ROWS.columns.indexOf('span_id');
const START_NS = SPAN_ROWS.columns.indexOf('start_ns');
const COMMIT_NO = SPAN_ROWS.columns.length;
const ROW_ID = COMMIT_NO + 1;
const IS_SUPERSEDED = COMMIT_NO + 2;

/** For a common word the newest spans are enough; only when they are not, the word table is asked, which is large. */
const FIRST_LOOK_ROWS = 2000;

/**
 * Spans, newest first, each in its last commit. The newest candidates are taken first and only those are checked
 * for a later commit and for the text of their trace; where some fall out the next page fills the gap.
 */
export async function readSpans(context: ReadContext, request: ParsedShardRead<'spans'>): Promise<ReadRows> {
  const text = request.text === undefined ? undefined : parseTextQuery(request.text);
  const parts: PickedRows[] = [];
  let found = 0;
  let after: PageEnd | undefined;
  let isAtEnd = text?.words.length === 0;
  const firstRows = text === undefined ? request.limit : Math.max(request.limit, FIRST_LOOK_ROWS);
  // Pages double, so that a span that was sent a thousand times costs ten queries and not a thousand.
  for (let pageRows = firstRows; !isAtEnd && found < request.limit; pageRows *= 2) {
    const isFirstLook = after === undefined && pageRows === FIRST_LOOK_ROWS;
    const narrowing = isFirstLook ? undefined : text;
    const result = await readPage(context, { request, pageRows, after, narrowing });
    const positions = await pick(context, result, text);
    parts.push({ result, positions });
    found += positions.length;
    after = pageEnd(result);
    isAtEnd = result.count < pageRows;
  }
  const rows = joinPicked(parts, request.limit);
  const lines = await renderLines(context.connection, SPAN_ROWS, rows);
  return { count: rows.count, lines, truncated: false };
}

interface PageRequest {
  readonly request: ParsedShardRead<'spans'>;
  readonly pageRows: number;
  readonly after: PageEnd | undefined;
  /** Only spans of traces with these words. */
  readonly narrowing: TextQuery | undefined;
}

async function readPage(
  context: ReadContext,
  { request, pageRows, after, narrowing }: PageRequest,
): Promise<QueryRows> {
  const parameters = createParameters();
  const conditions = allOf([
    ...filters(request, parameters),
    when(narrowing, text => inTraceWithWords(context, text, parameters)),
    when(after, end => behind(end, parameters)),
  ]);
  const order = 'ORDER BY start_ns DESC, trace_id DESC, span_id DESC, commit_no DESC, row_id DESC';
  return await query(
    context.connection,
    `WITH candidates AS MATERIALIZED (
       SELECT *, rowid AS row_id FROM store.spans WHERE ${conditions} ${order} LIMIT ${parameters.unsigned(String(pageRows))}
     )
     SELECT ${columnList(SPAN_ROWS)}, commit_no, row_id, EXISTS (
       SELECT 1 FROM store.spans later
       WHERE later.trace_id = candidates.trace_id AND later.span_id = candidates.span_id
         AND (later.commit_no, later.rowid) > (candidates.commit_no, candidates.row_id)
     ) FROM candidates ${order}`,
    parameters,
  );
}

/** The positions of the rows that are the last commit of their span and whose trace holds the text. */
async function pick(
  context: ReadContext,
  page: QueryRows,
  text: TextQuery | undefined,
): Promise<readonly number[]> {
  const traceIds = [...page.column(TRACE_ID)] as bigint[];
  const current = Array.from(page.column(IS_SUPERSEDED), (isSuperseded, position) =>
    isSuperseded === true ? [] : [position],
  ).flat();
  if (text === undefined) return current;
  const traceIdAt = (position: number) => traceIds[position] as bigint;
  const matching = await matchingTraces(context, current.map(traceIdAt), text);
  return current.filter(position => matching.has(traceIdAt(position)));
}

function pageEnd(page: QueryRows): PageEnd | undefined {
  let last: readonly DuckDBValue[] | undefined;
  for (const row of page.rows()) last = row;
  return (
    last && {
      startNs: last[START_NS] as bigint,
      traceId: last[TRACE_ID] as bigint,
      spanId: last[SPAN_ID] as bigint,
      commitNo: last[COMMIT_NO] as bigint,
      rowId: last[ROW_ID] as bigint,
    }
  );
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
  ];
}

function behind(end: PageEnd, parameters: Parameters): string {
  const startNs = parameters.unsigned(end.startNs.toString());
  // The first half is implied by the second; it lets DuckDB skip whole row groups by their time range.
  return `start_ns <= ${startNs}
    AND (start_ns, trace_id, span_id, commit_no, rowid)
      < (${startNs}, ${end.traceId}::UHUGEINT, ${end.spanId}::UBIGINT, ${end.commitNo}::UBIGINT, ${end.rowId})`;
}
