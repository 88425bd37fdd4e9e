import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import { type Hash, SLOT_COUNT } from '../../shared/topology/hash.ts';
import { NO_TEXT, SPAN_WORDS, type SpanList } from '../store/span-list.ts';
import { KINDS, STATUSES } from '../store/tables.ts';
import { joinMembers } from './join-members.ts';
import { JsonBytes } from './json-bytes.ts';
import type { OtlpMessage, SpanEvent } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';
import { PlainAttributes } from './plain-attributes.ts';
import { PlainEvents } from './plain-events.ts';
import { SpanFields, TRACE_ID_BYTES } from './span-fields.ts';
import { eventsColumn, eventsRest, SPAN_KINDS, SPAN_STATUSES } from './spans.ts';
import type { Surroundings } from './surroundings.ts';
import { isSameBytes } from './wire-values.ts';

const W = SPAN_WORDS;
/** Numbers in storage order of what {@link SPAN_STATUSES} and {@link SPAN_KINDS} have for 0 to 5, the largest they know. */
const STATUS_NUMBERS = [0, 1, 2].map(code => STATUSES.indexOf(SPAN_STATUSES[code] ?? 'unset'));
const KIND_NUMBERS = [0, 1, 2, 3, 4, 5].map(kind => KINDS.indexOf(SPAN_KINDS[kind] ?? 'internal'));
const TWO_TO_31 = 2 ** 31;

export interface PlainSpanDeps {
  readonly spans: SpanList;
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
  readonly #deps: PlainSpanDeps;
  readonly #json: JsonBytes;
  readonly #attributes: PlainAttributes;
  readonly #events: PlainEvents;
  /** Hash of the trace id of the span before, which is there; a span often shares it. */
  #traceKey = 0n;
  #traceKeyAt = -1;

  constructor(request: Buffer, deps: PlainSpanDeps) {
    this.#request = request;
    this.#view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    this.#fields = new SpanFields(request);
    this.#deps = deps;
    this.#json = new JsonBytes(deps.spans.texts);
    this.#attributes = new PlainAttributes(this.#json);
    this.#events = new PlainEvents(this.#json);
  }

  /** Adds the `Span` in `[start, end)`; false when it is not plain. Throws on bytes that are no protobuf. */
  read(start: number, end: number, surroundings: Surroundings): boolean {
    const { spans } = this.#deps;
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
    words[at + W.attributes] = attributesStart;
    words[at + W.attributes + 1] = texts.sizeBytes - attributesStart;
    this.#writeOperation(words, at);
    this.#writeEventsAndRest(words, at);
    words[at + W.llm + 1] = NO_TEXT;
    this.#writeTraceKey(words, at);
    words[at + W.status] = STATUS_NUMBERS[this.#fields.statusCode] ?? 0;
    words[at + W.kind] = KIND_NUMBERS[this.#fields.kind] ?? 0;
    words[at + W.origin] = spans.origin(surroundings.service, surroundings.source);
    words[at + W.replaces] = 0;
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
      words[at + W.traceId + word] = bits;
      traceBits |= bits;
    }
    const spanLow = view.getInt32(spanIdAt + 4);
    const spanHigh = view.getInt32(spanIdAt);
    const parentLow = parentIdAt < 0 ? 0 : view.getInt32(parentIdAt + 4);
    const parentHigh = parentIdAt < 0 ? 0 : view.getInt32(parentIdAt);
    words[at + W.spanId] = spanLow;
    words[at + W.spanId + 1] = spanHigh;
    words[at + W.parentSpanId] = parentLow;
    words[at + W.parentSpanId + 1] = parentHigh;
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
    words[at + W.startNs] = startLow;
    words[at + W.startNs + 1] = startHigh;
    words[at + W.durationNs] = endLow - startLow;
    words[at + W.durationNs + 1] = durationHigh;
    return durationHigh >= -TWO_TO_31 && durationHigh < TWO_TO_31;
  }

  #writeOperation(words: Int32Array, at: number): void {
    const { texts } = this.#deps.spans;
    const { nameStart, nameEnd } = this.#fields;
    words[at + W.operation] = texts.sizeBytes;
    words[at + W.operation + 1] = nameEnd - nameStart;
    texts.addRange(this.#request, nameStart, nameEnd);
  }

  #writeEventsAndRest(words: Int32Array, at: number): void {
    const { texts } = this.#deps.spans;
    const { events } = this.#fields;
    const start = texts.sizeBytes;
    words[at + W.events] = start;
    let decoded: readonly SpanEvent[] = [];
    if (events.length > 0 && !this.#events.write(this.#request, events)) {
      texts.sizeBytes = start;
      decoded = this.#messages<SpanEvent>('SpanEvent', events);
      texts.addText(eventsColumn(decoded) ?? '');
    }
    words[at + W.events + 1] = events.length === 0 ? NO_TEXT : texts.sizeBytes - start;
    const restStart = texts.sizeBytes;
    words[at + W.otlp] = restStart;
    this.#writeRest(eventsRest(decoded));
    words[at + W.otlp + 1] = texts.sizeBytes === restStart ? NO_TEXT : texts.sizeBytes - restStart;
  }

  /** Writes what the columns do not tell, if there is anything: for most spans nothing but their flags. */
  #writeRest(events: string): void {
    const { flags, traceState, droppedAttributes, droppedEvents, droppedLinks, links, kind } = this.#fields;
    const { beyond } = this.#attributes;
    const others = joinMembers([
      traceState === '' ? '' : `"traceState":${JSON.stringify(traceState)}`,
      droppedAttributes === 0 ? '' : `"droppedAttributesCount":${droppedAttributes}`,
      droppedEvents === 0 ? '' : `"droppedEventsCount":${droppedEvents}`,
      this.#list('links', 'SpanLink', links),
      droppedLinks === 0 ? '' : `"droppedLinksCount":${droppedLinks}`,
      flags === 0 ? '' : `"flags":${flags}`,
      SPAN_KINDS[kind] === undefined ? `"kind":${kind}` : '',
      this.#list('attributes', 'KeyValue', beyond),
      events,
      this.#statusRest(),
    ]);
    if (others !== null) this.#deps.spans.texts.addText(others);
  }

  #writeTraceKey(words: Int32Array, at: number): void {
    const { traceIdAt } = this.#fields;
    const request = this.#request;
    if (this.#traceKeyAt < 0 || !isSameBytes(request, this.#traceKeyAt, traceIdAt, TRACE_ID_BYTES)) {
      this.#traceKey = this.#deps.hash.hash64(request.subarray(traceIdAt, traceIdAt + TRACE_ID_BYTES));
      this.#traceKeyAt = traceIdAt;
    }
    const low = Number(BigInt.asIntN(32, this.#traceKey));
    words[at + W.traceKey] = low;
    words[at + W.traceKey + 1] = Number(BigInt.asIntN(32, this.#traceKey >> 32n));
    words[at + W.slot] = low & (SLOT_COUNT - 1);
  }

  #statusRest(): string {
    const { statusCode: code, statusMessage } = this.#fields;
    if (statusMessage === '' && code >= 0 && code <= 2) return '';
    const message = statusMessage === '' ? '' : `"message":${JSON.stringify(statusMessage)}`;
    return `"status":${joinMembers([message, code === 0 ? '' : `"code":${code}`]) ?? '{}'}`;
  }

  #messages<Message>(type: string, ranges: readonly number[]): Message[] {
    const messages: Message[] = [];
    for (let index = 0; index < ranges.length; index += 2) {
      const bytes = this.#request.subarray(ranges[index], ranges[index + 1]);
      messages.push(this.#deps.types.message(type).decode(bytes) as unknown as Message);
    }
    return messages;
  }

  #list(name: string, type: string, ranges: readonly number[]): string {
    if (ranges.length === 0) return '';
    const messages = this.#messages<OtlpMessage>(type, ranges);
    return `"${name}":${JSON.stringify(messages.map(message => otlpJson(message)))}`;
  }
}
