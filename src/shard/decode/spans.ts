import type { SpanEventRow } from '../../shared/read/model.ts';
import { formatNanos } from '../../shared/time.ts';
import { type Hash, SLOT_COUNT } from '../../shared/topology/hash.ts';
import type { Source, SpanRecord } from '../store/tables.ts';
import { addWords } from '../words.ts';
import { kindOf } from './any-value.ts';
import {
  attributesBeyondValues,
  attributeTexts,
  attributeValues,
  repeatedKeys,
  serviceOf,
  valuesJson,
} from './attributes.ts';
import { isSpanId, isTraceId, spanIdNumber, traceIdNumber } from './ids.ts';
import { type Promotion, promoteLlm } from './llm.ts';
import { type Span, type SpanEvent, type TracesData, toBigInt, toHex } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';
import type { Sink } from './sink.ts';
import { sourceOf } from './source.ts';

export function decodeSpans(data: TracesData, sink: Sink, hash: Hash): void {
  for (const resourceSpans of data.resourceSpans) {
    const service = serviceOf(resourceSpans.resource, 'are empty');
    for (const scopeSpans of resourceSpans.scopeSpans) {
      const source = sourceOf(resourceSpans, scopeSpans);
      for (const span of scopeSpans.spans) decodeSpan(span, { service, source, hash }, sink);
    }
  }
}

interface Surroundings {
  readonly service: string;
  readonly source: Source;
  readonly hash: Hash;
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
  const promotion = promoteLlm(attributeTexts(span.attributes));
  const record = spanRecord(span, surroundings, promotion);
  sink.records.spans.push(record);
  if (promotion === undefined) return;
  sink.records.blobs.push(...promotion.blobs);
  const words = new Set<string>();
  addWords(words, promotion.prompt);
  addWords(words, promotion.completion);
  for (const word of words) sink.records.spanWords.push({ word, traceId: record.traceId });
}

const MAX_DURATION_NS = 2n ** 63n - 1n;

function spanRecord(
  span: Span,
  { service, source, hash }: Surroundings,
  promotion: Promotion | undefined,
): SpanRecord {
  const startNs = toBigInt(span.startTimeUnixNano);
  const durationNs = toBigInt(span.endTimeUnixNano) - startNs;
  const traceKey = hash.hash64(span.traceId);
  const values = attributeValues(span.attributes);
  for (const key of promotion?.hidden ?? []) values.delete(key);
  return {
    traceId: traceIdNumber(span.traceId),
    slot: Number(traceKey % BigInt(SLOT_COUNT)),
    traceKey,
    spanId: spanIdNumber(span.spanId),
    parentSpanId: spanIdNumber(span.parentSpanId),
    service,
    operation: span.name,
    startNs,
    durationNs: cutDuration(durationNs),
    status: STATUSES[span.status?.code ?? 0] ?? 'unset',
    kind: kindName(span, promotion),
    attributes: valuesJson(values),
    events: span.events.length === 0 ? null : JSON.stringify(span.events.map(eventRow)),
    llm: promotion === undefined ? null : JSON.stringify(promotion.llm),
    otlp: spanRest(span, promotion),
    source,
    replaces: false,
  };
}

function cutDuration(durationNs: bigint): bigint {
  if (durationNs > MAX_DURATION_NS) return MAX_DURATION_NS;
  return durationNs < -MAX_DURATION_NS - 1n ? -MAX_DURATION_NS - 1n : durationNs;
}

function kindName(span: Span, promotion: Promotion | undefined): SpanRecord['kind'] {
  return promotion === undefined ? (KINDS[span.kind] ?? 'internal') : 'llm';
}

/** Names by number (`Span.SpanKind`); unspecified and unknown ones show as internal. */
const KINDS: Readonly<Record<number, SpanRecord['kind']>> = {
  1: 'internal',
  2: 'server',
  3: 'client',
  4: 'producer',
  5: 'consumer',
};

/** Names by number (`Status.StatusCode`); 0 and unknown ones show as unset. */
const STATUSES: Readonly<Record<number, SpanRecord['status']>> = { 1: 'ok', 2: 'error' };

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
    ...(KINDS[span.kind] !== kindName(span, promotion) && { kind: span.kind }),
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
