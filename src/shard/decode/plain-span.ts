import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import { type Hash, SLOT_COUNT } from '../../shared/topology/hash.ts';
import { NO_TEXT, ORIGIN_AT, writeUint64 } from '../store/packed/fields.ts';
import type { PackedList } from '../store/packed/list.ts';
import { SPANS } from '../store/packed/tables.ts';
import { KINDS, type SpanRecord, STATUSES } from '../store/tables.ts';
import { JsonBytes } from './json-bytes.ts';
import type { SpanEvent } from './otlp.ts';
import { OtlpMembers } from './otlp-members.ts';
import { PlainAttributes } from './plain-attributes.ts';
import { PlainEvents } from './plain-events.ts';
import { SpanFields, TRACE_ID_BYTES } from './span-fields.ts';
import { eventsColumn, eventsRest, SPAN_KINDS, SPAN_STATUSES } from './spans.ts';
import type { Surroundings } from './surroundings.ts';
import { isSameBytes } from './wire-values.ts';

const AT = SPANS.at;
/** Numbers in storage order of what {@link SPAN_STATUSES} and {@link SPAN_KINDS} have for 0 to 5, the largest they know. */
const STATUS_NUMBERS = [0, 1, 2].map(code => STATUSES.indexOf(SPAN_STATUSES[code] ?? 'unset'));
const KIND_NUMBERS = [0, 1, 2, 3, 4, 5].map(kind => KINDS.indexOf(SPAN_KINDS[kind] ?? 'internal'));
const TWO_TO_31 = 2 ** 31;
const CLOSE = 0x7d;

export interface PlainSpanDeps {
  readonly spans: PackedList<SpanRecord>;
  readonly types: OtlpTypes;
  readonly hash: Hash;
}

/**
 * Reads the spans of one request, straight off the wire into a list, as far as they are as nearly all are. The others,
 * LLM calls and those without ids among them, are decoded to messages first; what is read is the same either way.
 */
export class PlainSpanReader {
  readonly #request: Buffer;
  readonly #view: DataView;
  readonly #fields: SpanFields;
  readonly #spans: PackedList<SpanRecord>;
  readonly #hash: Hash;
  readonly #json: JsonBytes;
  readonly #attributes: PlainAttributes;
  readonly #events: PlainEvents;
  readonly #rest: OtlpMembers;
  /** Hash of the trace id of the span before, which is there; a span often shares it. */
  #traceKey = 0n;
  #traceKeyAt = -1;

  constructor(request: Buffer, { spans, types, hash }: PlainSpanDeps) {
    this.#request = request;
    this.#view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    this.#fields = new SpanFields(request);
    this.#spans = spans;
    this.#hash = hash;
    this.#json = new JsonBytes(spans.texts, request);
    this.#attributes = new PlainAttributes(this.#json);
    this.#events = new PlainEvents(this.#json);
    this.#rest = new OtlpMembers({ request, json: this.#json, types });
  }

  /** Adds the `Span` in `[start, end)`; false when it is not plain. Throws on bytes that are no protobuf. */
  read(start: number, end: number, { service, source }: Surroundings): boolean {
    const spans = this.#spans;
    const { texts } = spans;
    const attributesStart = texts.sizeBytes;
    const at = spans.next();
    const { words } = spans;
    this.#attributes.begin();
    const isPlain =
      this.#fields.read(start, end, this.#attributes) &&
      this.#writeIds(words, at) &&
      this.#writeTimes(words, at);
    if (!isPlain) {
      texts.sizeBytes = attributesStart;
      return false;
    }
    this.#attributes.finish();
    words[at + AT.attributes] = attributesStart;
    words[at + AT.attributes + 1] = texts.sizeBytes - attributesStart;
    this.#writeOperation(words, at);
    this.#writeRest(words, at, this.#writeEvents(words, at));
    words[at + AT.llm + 1] = NO_TEXT;
    this.#writeTraceKey(words, at);
    words[at + AT.status] = STATUS_NUMBERS[this.#fields.statusCode] ?? 0;
    words[at + AT.kind] = KIND_NUMBERS[this.#fields.kind] ?? 0;
    words[at + ORIGIN_AT] = spans.origin(service, source);
    words[at + AT.replaces] = 0;
    spans.length++;
    return true;
  }

  /** False when an id that has to be there is not, or is zero. */
  #writeIds(words: Int32Array, at: number): boolean {
    const view = this.#view;
    const { traceIdAt, spanIdAt, parentIdAt } = this.#fields;
    if (traceIdAt < 0 || spanIdAt < 0) return false;
    let traceBits = 0;
    for (let word = 0; word < 4; word++) {
      const bits = view.getInt32(traceIdAt + 12 - 4 * word);
      words[at + AT.traceId + word] = bits;
      traceBits |= bits;
    }
    const spanLow = view.getInt32(spanIdAt + 4);
    const spanHigh = view.getInt32(spanIdAt);
    const parentLow = parentIdAt < 0 ? 0 : view.getInt32(parentIdAt + 4);
    const parentHigh = parentIdAt < 0 ? 0 : view.getInt32(parentIdAt);
    words[at + AT.spanId] = spanLow;
    words[at + AT.spanId + 1] = spanHigh;
    words[at + AT.parentSpanId] = parentLow;
    words[at + AT.parentSpanId + 1] = parentHigh;
    const isParentZero = parentIdAt >= 0 && (parentLow | parentHigh) === 0;
    return traceBits !== 0 && (spanLow | spanHigh) !== 0 && !isParentZero;
  }

  /** False when the duration does not fit into 64 bits. */
  #writeTimes(words: Int32Array, at: number): boolean {
    const view = this.#view;
    const { startTimeAt, endTimeAt } = this.#fields;
    const startLow = startTimeAt < 0 ? 0 : view.getUint32(startTimeAt, true);
    const startHigh = startTimeAt < 0 ? 0 : view.getUint32(startTimeAt + 4, true);
    const endLow = endTimeAt < 0 ? 0 : view.getUint32(endTimeAt, true);
    const endHigh = endTimeAt < 0 ? 0 : view.getUint32(endTimeAt + 4, true);
    const durationHigh = endHigh - startHigh - (endLow < startLow ? 1 : 0);
    words[at + AT.startNs] = startLow;
    words[at + AT.startNs + 1] = startHigh;
    words[at + AT.durationNs] = endLow - startLow;
    words[at + AT.durationNs + 1] = durationHigh;
    return durationHigh >= -TWO_TO_31 && durationHigh < TWO_TO_31;
  }

  #writeOperation(words: Int32Array, at: number): void {
    const { texts } = this.#spans;
    const { nameStart, nameEnd } = this.#fields;
    words[at + AT.operation] = texts.sizeBytes;
    words[at + AT.operation + 1] = nameEnd - nameStart;
    texts.addRange(this.#request, nameStart, nameEnd);
  }

  /** Returns the member of the rest that tells what the column of events does not. */
  #writeEvents(words: Int32Array, at: number): string {
    const { texts } = this.#spans;
    const { events } = this.#fields;
    if (events.length === 0) {
      words[at + AT.events + 1] = NO_TEXT;
      return '';
    }
    const start = texts.sizeBytes;
    let rest = '';
    if (!this.#events.write(this.#request, events)) {
      texts.sizeBytes = start;
      const decoded = this.#rest.messages<SpanEvent>('SpanEvent', events);
      texts.addText(eventsColumn(decoded) ?? '');
      rest = eventsRest(decoded);
    }
    words[at + AT.events] = start;
    words[at + AT.events + 1] = texts.sizeBytes - start;
    return rest;
  }

  #writeRest(words: Int32Array, at: number, events: string): void {
    const rest = this.#rest;
    const fields = this.#fields;
    rest.begin();
    rest.string('"traceState":', fields.traceStateStart, fields.traceStateEnd);
    rest.integer('"droppedAttributesCount":', fields.droppedAttributes);
    rest.integer('"droppedEventsCount":', fields.droppedEvents);
    rest.list('"links":', 'SpanLink', fields.links);
    rest.integer('"droppedLinksCount":', fields.droppedLinks);
    rest.integer('"flags":', fields.flags);
    if (SPAN_KINDS[fields.kind] === undefined) rest.member(`"kind":${fields.kind}`);
    rest.attributes(this.#attributes.beyond);
    rest.text(events);
    this.#writeStatus();
    rest.finish(words, at + AT.otlp);
  }

  #writeStatus(): void {
    const { statusCode: code, statusMessageStart: start, statusMessageEnd: end } = this.#fields;
    if (start === end && code >= 0 && code <= 2) return;
    this.#rest.member('"status":{');
    if (start !== end) {
      this.#json.ascii('"message":');
      this.#json.string(start, end);
    }
    if (code !== 0) this.#json.ascii(`${start === end ? '' : ','}"code":${code}`);
    this.#json.byte(CLOSE);
  }

  #writeTraceKey(words: Int32Array, at: number): void {
    const { traceIdAt } = this.#fields;
    const request = this.#request;
    if (this.#traceKeyAt < 0 || !isSameBytes(request, this.#traceKeyAt, traceIdAt, TRACE_ID_BYTES)) {
      this.#traceKey = this.#hash.hash64(request.subarray(traceIdAt, traceIdAt + TRACE_ID_BYTES));
      this.#traceKeyAt = traceIdAt;
    }
    writeUint64(words, at + AT.traceKey, this.#traceKey);
    words[at + AT.slot] = (words[at + AT.traceKey] as number) & (SLOT_COUNT - 1);
  }
}
