import type { DuckDBValue } from '@duckdb/node-api';
import type { ParsedShardRead } from '../../shared/read/contract.ts';
import { columnList, textBytes } from '../rows/row-kind.ts';
import { BARE_SPAN_ROWS, SPAN_ROWS } from '../rows/span-row.ts';
import type { TextQuery } from '../search/text-query.ts';
import { inTraceWithWords } from '../search/word-tables.ts';
import { hasAttributeKeys, hasAttributes } from './attributes.ts';
import { inSlice, type TimeSlice } from './newest.ts';
import { type QueryRows, query } from './query.ts';
import type { ReadContext } from './read.ts';
import type { FoundSpan } from './superseded.ts';
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

/** A span of a page with every part of the order, so that the next page starts right behind it. */
export interface PageSpan extends FoundSpan {
  readonly startNs: bigint;
}

const TRACE_ID = SPAN_ROWS.columns.indexOf('trace_id');
const SPAN_ID = SPAN_ROWS.columns.indexOf('span_id');
const START_NS = SPAN_ROWS.columns.indexOf('start_ns');
const COMMIT_NO = SPAN_ROWS.columns.length;
const ROW_ID = COMMIT_NO + 1;
/** The column of a page that has the bytes of its rows' texts. */
export const SPAN_TEXT_BYTES = ROW_ID + 1;

export interface SpanPage {
  readonly request: ParsedShardRead<'spans'>;
  readonly slice: TimeSlice;
  readonly rows: number;
  readonly after?: PageSpan | undefined;
  /** Only spans of traces that had all of its words. */
  readonly narrowing?: TextQuery | undefined;
}

export function spanKind({ bare }: ParsedShardRead<'spans'>): typeof SPAN_ROWS {
  return bare ? BARE_SPAN_ROWS : SPAN_ROWS;
}

/** The newest spans behind the end of a page; the columns of a span row come first. */
export function readSpanPage(
  context: ReadContext,
  { request, slice, rows, after, narrowing }: SpanPage,
): Promise<QueryRows> {
  const kind = spanKind(request);
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
    `SELECT ${columnList(kind)}, commit_no, rowid, ${textBytes(kind)}
     FROM store.spans WHERE ${conditions}
     ORDER BY start_ns DESC, trace_id DESC, span_id DESC, commit_no DESC, rowid DESC LIMIT ${rows}`,
    parameters,
  );
}

export function spansOf(page: QueryRows): readonly PageSpan[] {
  return Array.from(page.rows(), pageSpan);
}

function pageSpan(row: readonly DuckDBValue[]): PageSpan {
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

function behind(end: PageSpan, parameters: Parameters): string {
  const startNs = parameters.unsigned(end.startNs.toString());
  // The first half is implied by the second; it lets DuckDB skip whole row groups by their time range.
  return `start_ns <= ${startNs}
    AND (start_ns, trace_id, span_id, commit_no, rowid)
      < (${startNs}, ${end.traceId}::UHUGEINT, ${end.spanId}::UBIGINT, ${end.commitNo}::UBIGINT, ${end.rowId})`;
}
