import type { SpanEventRow } from '../../shared/read/model.ts';
import { formatNanos } from '../../shared/time.ts';
import { type Hash, SLOT_COUNT } from '../../shared/topology/hash.ts';
import type { SpanRecord } from '../store/tables.ts';
import { WordSet } from '../word-set.ts';
import { kindOf } from './any-value.ts';
import {
  attributesBeyondValues,
  attributeTexts,
  attributeValues,
  repeatedKeys,
  valuesJson,
} from './attributes.ts';
import { isSpanId, isTraceId, spanIdNumber, traceIdNumber } from './ids.ts';
import { type Promotion, promoteLlm } from './llm.ts';
import { type Span, type SpanEvent, toBigInt, toHex } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';
import type { Sink } from './sink.ts';
import type { Surroundings } from './surroundings.ts';

/** Stores a span, or rejects it for its ids. */
export function decodeSpan(
  span: Span,
  surroundings: Surroundings,
  { sink, hash }: { sink: Sink; hash: Hash },
): void {
  if (!isTraceId(span.traceId)) {
    sink.reject('span whose trace_id is not 16 bytes, not all zero');
    return;
  }
  if (!isSpanId(span.spanId)) {
    sink.reject('span whose span_id is not 8 bytes, not all zero');
    return;
  }
  const promotion = promoteLlm(attributeTexts(span.attributes));
  const record = spanRecord(span, { surroundings, promotion, traceKey: hash.hash64(span.traceId) });
  sink.records.spans.push(record);
  if (promotion === undefined) return;
  sink.records.blobs.push(...promotion.blobs);
  const words = new WordSet();
  words.addText(promotion.prompt);
  words.addText(promotion.completion);
  for (const word of words) sink.records.spanWords.push({ word, traceId: record.traceId });
}

interface SpanContext {
  readonly surroundings: Surroundings;
  readonly promotion: Promotion | undefined;
  readonly traceKey: bigint;
}

const MAX_DURATION_NS = 2n ** 63n - 1n;

function spanRecord(span: Span, { surroundings, promotion, traceKey }: SpanContext): SpanRecord {
  const startNs = toBigInt(span.startTimeUnixNano);
  const durationNs = toBigInt(span.endTimeUnixNano) - startNs;
  const values = attributeValues(span.attributes);
  for (const key of promotion?.hidden ?? []) values.delete(key);
  return {
    traceId: traceIdNumber(span.traceId),
    slot: Number(traceKey % BigInt(SLOT_COUNT)),
    traceKey,
    spanId: spanIdNumber(span.spanId),
    parentSpanId: spanIdNumber(span.parentSpanId),
    service: surroundings.service,
    operation: span.name,
    startNs,
    durationNs: cutDuration(durationNs),
    status: SPAN_STATUSES[span.status?.code ?? 0] ?? 'unset',
    kind: kindName(span, promotion),
    attributes: valuesJson(values),
    events: eventsColumn(span.events),
    llm: promotion === undefined ? null : JSON.stringify(promotion.llm),
    otlp: spanRest(span, promotion),
    source: surroundings.source,
    replaces: false,
  };
}

function cutDuration(durationNs: bigint): bigint {
  if (durationNs > MAX_DURATION_NS) return MAX_DURATION_NS;
  return durationNs < -MAX_DURATION_NS - 1n ? -MAX_DURATION_NS - 1n : durationNs;
}

function kindName(span: Span, promotion: Promotion | undefined): SpanRecord['kind'] {
  return promotion === undefined ? (SPAN_KINDS[span.kind] ?? 'internal') : 'llm';
}

/** Names by number (`Span.SpanKind`); unspecified and unknown ones show as internal. */
export const SPAN_KINDS: Readonly<Record<number, SpanRecord['kind']>> = {
  1: 'internal',
  2: 'server',
  3: 'client',
  4: 'producer',
  5: 'consumer',
};

/** Names by number (`Status.StatusCode`); 0 and unknown ones show as unset. */
export const SPAN_STATUSES: Readonly<Record<number, SpanRecord['status']>> = { 1: 'ok', 2: 'error' };

export function eventsColumn(events: readonly SpanEvent[]): string | null {
  return events.length === 0 ? null : JSON.stringify(events.map(eventRow));
}

/** The member `events` of the rest, or nothing when the column of events tells all: the list is there whole or not. */
export function eventsRest(events: readonly SpanEvent[]): string {
  return events.every(isInTheRow) ? '' : `"events":${JSON.stringify(events.map(event => otlpJson(event)))}`;
}

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

/** What the other columns do not tell, in OTLP/JSON; a list of events is there whole or not at all. */
function spanRest(span: Span, promotion: Promotion | undefined): string | null {
  const attributes = attributesBeyondValues(span.attributes, hiddenBeyondBlobs(span, promotion));
  const { status } = span;
  const isPlainStatus = status === null || (status.message === '' && status.code >= 0 && status.code <= 2);
  const endNs = toBigInt(span.endTimeUnixNano);
  const durationNs = endNs - toBigInt(span.startTimeUnixNano);
  const rest = {
    ...otlpJson(span, IN_THE_ROW),
    ...(SPAN_KINDS[span.kind] !== kindName(span, promotion) && { kind: span.kind }),
    ...(span.parentSpanId.length > 0 &&
      !isSpanId(span.parentSpanId) && { parentSpanId: toHex(span.parentSpanId) }),
    ...(cutDuration(durationNs) !== durationNs && { endTimeUnixNano: endNs.toString() }),
    ...(attributes.length > 0 && { attributes }),
    ...(!span.events.every(isInTheRow) && { events: span.events.map(event => otlpJson(event)) }),
    ...(status !== null && !isPlainStatus && { status: otlpJson(status) }),
  };
  return Object.keys(rest).length === 0 ? null : JSON.stringify(rest);
}

/** Of the hidden attributes those that their blob alone does not tell; all of a repeated key are kept anyway. */
function hiddenBeyondBlobs(span: Span, promotion: Promotion | undefined): readonly string[] {
  if (promotion === undefined) return [];
  return promotion.hidden.filter(key =>
    span.attributes.some(
      attribute =>
        attribute.key === key &&
        attribute.value !== null &&
        (kindOf(attribute.value) !== 'stringValue' || attribute.value.stringValue === ''),
    ),
  );
}

function isInTheRow(event: SpanEvent): boolean {
  return (
    event.droppedAttributesCount === 0 &&
    repeatedKeys(event.attributes).size === 0 &&
    event.attributes.every(({ value }) => value !== null && kindOf(value) === 'stringValue')
  );
}
