import type { ParsedShardRead } from '../../shared/read/contract.ts';
import type { TextQuery } from '../../shared/text/text-query.ts';
import { inTraceWithWords } from '../search/word-tables.ts';
import { hasAttributeKeys, hasAttributes } from './attributes.ts';
import { inSlice, type TimeSlice } from './newest.ts';
import type { ReadContext } from './read.ts';
import type { KeySearch } from './row-keys.ts';
import type { RowKey, RowOrder } from './row-order.ts';
import type { CommitRange } from './service-counts.ts';
import type { FoundSpan } from './superseded.ts';
import { fromKey, hexLiteral, type Parameters, timeWindow, when, within } from './where.ts';
import type { RowPlace } from './wide-rows.ts';

const NEWEST_FIRST: RowOrder = {
  table: 'spans',
  columns: [
    ['start_ns', 'UBIGINT'],
    ['trace_id', 'UHUGEINT'],
    ['span_id', 'UBIGINT'],
    ['commit_no', 'UBIGINT'],
    ['row_id', 'BIGINT'],
  ],
  direction: 'DESC',
};

export interface SpanSearch {
  readonly request: ParsedShardRead<'spans'>;
  readonly slice: TimeSlice;
  readonly rows: number;
  readonly after?: RowKey | undefined;
  /** The commits to look at; all when left out. */
  readonly commits?: readonly CommitRange[] | undefined;
  /** Only spans of traces that had all of its words, or are among the others. */
  readonly narrowing?: { readonly text: TextQuery; readonly others: ReadonlySet<bigint> };
}

/** The newest spans as a search of their keys. */
export function newestSpans(
  context: ReadContext,
  { request, slice, rows, after, commits, narrowing }: SpanSearch,
): KeySearch {
  return {
    order: NEWEST_FIRST,
    rows,
    after,
    commits,
    conditions: parameters => [
      `commit_no <= ${context.asOf}`,
      inSlice('start_ns', slice),
      ...filters(request, parameters),
      when(narrowing, given => inTraceWithWords(context, given, parameters)),
    ],
  };
}

export function foundSpan(key: RowKey): FoundSpan & RowPlace {
  const [timeNs, traceId, spanId, commitNo, rowId] = key as readonly bigint[] as SpanKey;
  return { timeNs, traceId, spanId, commitNo, rowId };
}

type SpanKey = readonly [timeNs: bigint, traceId: bigint, spanId: bigint, commitNo: bigint, rowId: bigint];

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
