import type { SpanEventRow, SpanRow } from '../../shared/read/model.ts';
import { formatNanos } from '../../shared/time.ts';
import type { SpanRecord } from '../store/tables.ts';
import { wordsOf } from '../words.ts';
import { attributesBeyondTexts, attributeTexts, serviceOf, textsJson } from './attributes.ts';
import { isSpanId, isTraceId } from './ids.ts';
import { type Promotion, promoteLlm } from './llm.ts';
import { type Span, type SpanEvent, type TracesData, toBigInt, toHex } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';
import type { Sink } from './sink.ts';
import { resourceJson, type Surroundings, scopeJson } from './surroundings.ts';

export function decodeSpans(data: TracesData, sink: Sink): void {
  for (const resourceSpans of data.resourceSpans) {
    const service = serviceOf(resourceSpans.resource, 'are empty');
    const resource = resourceJson(resourceSpans);
    for (const scopeSpans of resourceSpans.scopeSpans) {
      const surroundings = { service, resource, scope: scopeJson(scopeSpans) };
      for (const span of scopeSpans.spans) decodeSpan(span, surroundings, sink);
    }
  }
}

function decodeSpan(span: Span, surroundings: Surroundings, sink: Sink): void {
  if (!isTraceId(span.traceId)) {
    sink.reject('span whose trace_id is not 16 bytes, not all zero');
    return;
  }
  if (!isSpanId(span.spanId)) {
    sink.reject('span whose span_id is not 8 bytes, not all zero');
    return;
  }
  const texts = attributeTexts(span.attributes);
  const promotion = promoteLlm(texts);
  const record = spanRecord(span, { surroundings, texts, promotion });
  sink.records.spans.push(record);
  if (promotion === undefined) return;
  for (const word of wordsOf(`${promotion.prompt} ${promotion.completion}`)) {
    sink.records.text_words.push({ word, trace_id: record.trace_id });
  }
}

interface SpanContext {
  readonly surroundings: Surroundings;
  readonly texts: ReadonlyMap<string, string>;
  readonly promotion: Promotion | undefined;
}

function spanRecord(span: Span, { surroundings, texts, promotion }: SpanContext): SpanRecord {
  const startNs = toBigInt(span.startTimeUnixNano);
  const endNs = toBigInt(span.endTimeUnixNano);
  const kind = promotion === undefined ? (KINDS[span.kind] ?? 'internal') : 'llm';
  return {
    trace_id: toHex(span.traceId),
    span_id: toHex(span.spanId),
    parent_span_id: toHex(span.parentSpanId),
    ...surroundings,
    operation: span.name,
    start_ns: startNs,
    end_ns: endNs,
    duration_ns: endNs - startNs,
    status: STATUSES[span.status?.code ?? 0] ?? 'unset',
    kind,
    attributes: textsJson(texts),
    events: JSON.stringify(span.events.map(eventRow)),
    llm: promotion === undefined ? '' : JSON.stringify(promotion.llm),
    otlp: JSON.stringify(spanRest(span, { kind, hidden: promotion?.hidden ?? [] })),
  };
}

/** Names by number (`Span.SpanKind`); unspecified and unknown ones show as internal. */
const KINDS: Readonly<Record<number, SpanRow['kind']>> = {
  1: 'internal',
  2: 'server',
  3: 'client',
  4: 'producer',
  5: 'consumer',
};

/** Names by number (`Status.StatusCode`); 0 and unknown ones show as unset. */
const STATUSES: Readonly<Record<number, SpanRow['status']>> = { 1: 'ok', 2: 'error' };

function eventRow(event: SpanEvent): SpanEventRow {
  return {
    name: event.name,
    timestamp: formatNanos(toBigInt(event.timeUnixNano)),
    attributes: Object.fromEntries(attributeTexts(event.attributes)),
  };
}

const IN_THE_ROW: ReadonlySet<string> = new Set([
  'traceId',
  'spanId',
  'parentSpanId',
  'name',
  'kind',
  'startTimeUnixNano',
  'endTimeUnixNano',
  'attributes',
  'events',
  'status',
]);

/** What the row's own members do not tell, in OTLP/JSON; a list of events is there whole or not at all. */
function spanRest(
  span: Span,
  { kind, hidden }: { kind: string; hidden: readonly string[] },
): Record<string, unknown> {
  const attributes = attributesBeyondTexts(span.attributes, hidden);
  const { status } = span;
  const isPlainStatus = status === null || (status.message === '' && status.code >= 0 && status.code <= 2);
  return {
    ...otlpJson(span, IN_THE_ROW),
    ...(KINDS[span.kind] !== kind && { kind: span.kind }),
    ...(attributes.length > 0 && { attributes }),
    ...(!span.events.every(isInTheRow) && { events: span.events.map(event => otlpJson(event)) }),
    ...(status !== null && !isPlainStatus && { status: otlpJson(status) }),
  };
}

function isInTheRow(event: SpanEvent): boolean {
  return event.droppedAttributesCount === 0 && attributesBeyondTexts(event.attributes).length === 0;
}
