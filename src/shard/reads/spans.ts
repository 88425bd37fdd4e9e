import type { DuckDBValue } from '@duckdb/node-api';
import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { columnList, renderLines } from '../rows/row-kind.ts';
import { SPAN_ROWS } from '../rows/span-row.ts';
import { matchingTraces } from '../search/matching-traces.ts';
import { joinPicked, type PickedRows } from '../search/picked-rows.ts';
import { parseTextQuery, type TextQuery } from '../search/text-query.ts';
import { inTraceWithWords } from '../search/word-tables.ts';
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
export async function readSpans(
  context: ReadContext,
  request: ParsedShardRead<'spans'>,
): Promise<Iterable<string>> {
  const wanted = Math.min(request.limit, context.mostRows);
  const text = request.text === undefined ? undefined : parseTextQuery(request.text);
  const parts: PickedRows[] = [];
  let found = 0;
  let after: PageEnd | undefined;
  let isAtEnd = text?.words.length === 0;
  const firstRows = text === undefined ? wanted : Math.max(wanted, FIRST_LOOK_ROWS);
  // Pages double, so that a span that was sent a thousand times costs ten queries and not a thousand.
  for (let pageRows = firstRows; !isAtEnd && found < wanted; pageRows *= 2) {
    const isFirstLook = after === undefined && pageRows === FIRST_LOOK_ROWS;
    const narrowing = isFirstLook ? undefined : text;
    const result = await readPage(context, { request, pageRows, after, narrowing });
    const positions = await pick(context, result, text);
    parts.push({ result, positions });
    found += positions.length;
    after = pageEnd(result);
    isAtEnd = result.count < pageRows;
  }
  return renderLines(context.connection, SPAN_ROWS, joinPicked(parts, wanted));
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
  const { connection, asOf } = context;
  const parameters = createParameters();
  const conditions = allOf([
    `commit_no <= ${asOf}`,
    ...filters(request, parameters),
    when(narrowing, text => inTraceWithWords(context, text, parameters)),
    when(after, end => behind(end, parameters)),
  ]);
  const order = 'ORDER BY start_ns DESC, trace_id DESC, span_id DESC, commit_no DESC, row_id DESC';
  return await query(
    connection,
    `WITH candidates AS MATERIALIZED (
       SELECT *, rowid AS row_id FROM store.spans WHERE ${conditions} ${order} LIMIT ${pageRows}
     )
     SELECT ${columnList(SPAN_ROWS)}, commit_no, row_id, EXISTS (
       SELECT 1 FROM store.spans later
       WHERE later.trace_id = candidates.trace_id AND later.span_id = candidates.span_id
         AND later.commit_no <= ${asOf}
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
  const isSuperseded = [...page.column(IS_SUPERSEDED)];
  const current = [...isSuperseded.keys()].filter(position => isSuperseded[position] === false);
  if (text === undefined) return current;
  const traceIds = [...page.column(TRACE_ID)] as bigint[];
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

function behind(end: PageEnd, parameters: Parameters): string {
  const startNs = parameters.unsigned(end.startNs.toString());
  // The first half is implied by the second; it lets DuckDB skip whole row groups by their time range.
  return `start_ns <= ${startNs}
    AND (start_ns, trace_id, span_id, commit_no, rowid)
      < (${startNs}, ${end.traceId}::UHUGEINT, ${end.spanId}::UBIGINT, ${end.commitNo}::UBIGINT, ${end.rowId})`;
}
