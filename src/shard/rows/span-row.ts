import type { SpanRow } from '../../shared/read/model.ts';
import { nanosKey } from '../../shared/read/ndjson.ts';
import { formatNanos } from '../../shared/time.ts';
import type { SpanRecord } from '../store/tables.ts';
import { idJson, spanIdText, traceIdText } from './ids.ts';
import { jsonObject } from './json.ts';
import { bareRows, type RowKind } from './row-kind.ts';
import { showAttributes, withAttributes } from './typed-attributes.ts';

/** A span as it is stored, without what only serves to find it. */
type StoredSpan = Omit<SpanRecord, 'slot' | 'traceKey' | 'replaces'>;

export const SPAN_ROWS: RowKind<StoredSpan> = {
  table: 'spans',
  columns: [
    'trace_id',
    'span_id',
    'parent_span_id',
    'service',
    'operation',
    'start_ns',
    'duration_ns',
    'status',
    'kind',
    'attributes',
    'events',
    'llm',
    'otlp',
    'source',
  ],
  texts: ['attributes', 'events', 'llm', 'otlp'],
  time: 'start_ns',
  stored: (values, source) => ({
    traceId: values[0] as bigint,
    spanId: values[1] as bigint,
    parentSpanId: values[2] as bigint,
    service: values[3] as string,
    operation: values[4] as string,
    startNs: values[5] as bigint,
    durationNs: values[6] as bigint,
    status: values[7] as SpanRecord['status'],
    kind: values[8] as SpanRecord['kind'],
    attributes: values[9] as string,
    events: values[10] as string | null,
    llm: values[11] as string | null,
    otlp: values[12] as string | null,
    source,
  }),
  key: span => [nanosKey(span.startNs), traceIdText(span.traceId), spanIdText(span.spanId)],
  json: spanRowJson,
};

/** Without what the request calls bare. */
export const BARE_SPAN_ROWS = bareRows(SPAN_ROWS, {
  without: ['events', 'otlp'],
  json: span => jsonObject<BareSpanRow>(bareMembers(span, showAttributes(span.attributes).texts)),
});

type BareSpanRow = Omit<SpanRow, 'events' | 'otlp' | 'resource' | 'scope'>;

const NANOS_PER_MS = 1e6;

function spanRowJson(span: StoredSpan): string {
  const { texts, typed } = showAttributes(span.attributes);
  const { kind, llm, ...members } = bareMembers(span, texts);
  return jsonObject<SpanRow>({
    ...members,
    events: span.events ?? '[]',
    kind,
    llm,
    otlp:
      typed.length === 0
        ? (span.otlp ?? '{}')
        : JSON.stringify(withAttributes(JSON.parse(span.otlp ?? '{}'), typed)),
    resource: span.source.resource,
    scope: span.source.scope,
  });
}

function bareMembers(span: StoredSpan, attributes: string) {
  const endNs = endOf(span);
  return {
    trace_id: idJson(traceIdText(span.traceId)),
    span_id: idJson(spanIdText(span.spanId)),
    parent_span_id: idJson(spanIdText(span.parentSpanId)),
    service: JSON.stringify(span.service),
    operation: JSON.stringify(span.operation),
    start_time: JSON.stringify(formatNanos(span.startNs)),
    end_time: JSON.stringify(formatNanos(endNs)),
    duration_ms: JSON.stringify(Number(endNs - span.startNs) / NANOS_PER_MS),
    status: JSON.stringify(span.status),
    attributes,
    kind: JSON.stringify(span.kind),
    llm: span.llm ?? undefined,
  };
}

const LONGEST_NS = 2n ** 63n - 1n;

/** From start and duration, unless that was too long for its column. */
function endOf({ startNs, durationNs, otlp }: StoredSpan): bigint {
  const isCut = durationNs === LONGEST_NS || durationNs === -LONGEST_NS - 1n;
  const { endTimeUnixNano = undefined } = isCut && otlp !== null ? JSON.parse(otlp) : {};
  return endTimeUnixNano === undefined ? startNs + durationNs : BigInt(endTimeUnixNano as string);
}
