import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import { WireReader } from '../../shared/otlp/wire-reader.ts';
import { type Hash, SLOT_COUNT } from '../../shared/topology/hash.ts';
import type { SpanRecord } from '../store/tables.ts';
import { joinMembers } from './join-members.ts';
import type { OtlpMessage, SpanEvent } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';
import type { PlainAttributes } from './plain-attributes.ts';
import { eventsColumn, eventsRest, SPAN_KINDS, SPAN_STATUSES } from './spans.ts';
import type { Surroundings } from './surroundings.ts';
import { isSameBytes, readString, readVarint32 } from './wire-values.ts';

/** Tags of `Span`: field number times eight, plus the wire type. */
const TRACE_ID = 0x0a;
const SPAN_ID = 0x12;
const TRACE_STATE = 0x1a;
const PARENT_SPAN_ID = 0x22;
const NAME = 0x2a;
const KIND = 0x30;
const START_TIME = 0x39;
const END_TIME = 0x41;
const ATTRIBUTE = 0x4a;
const DROPPED_ATTRIBUTES = 0x50;
const EVENT = 0x5a;
const DROPPED_EVENTS = 0x60;
const LINK = 0x6a;
const DROPPED_LINKS = 0x70;
const STATUS = 0x7a;
const FLAGS = 0x85;
/** Tags of `Status`. */
const STATUS_MESSAGE = 0x12;
const STATUS_CODE = 0x18;

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
const LONGEST_NS = 2n ** 63n - 1n;

interface Trace {
  readonly id: bigint;
  readonly key: bigint;
  readonly slot: number;
}

export interface PlainSpanDeps {
  readonly attributes: PlainAttributes;
  readonly types: OtlpTypes;
  readonly hash: Hash;
}

/**
 * Reads the spans of one request, straight off the wire, as far as they are as nearly all are. The others, LLM calls
 * and those without ids among them, are decoded to messages first; what is read is the same either way.
 */
export class PlainSpanReader {
  readonly #request: Buffer;
  readonly #view: DataView;
  readonly #reader: WireReader;
  readonly #deps: PlainSpanDeps;
  /** Of the span before, with which a span often shares it. */
  #trace: Trace = { id: 0n, key: 0n, slot: 0 };
  #traceAt = -1;

  // The parts of the span that is being read; 0 and -1 for what it does not have.
  #traceIdAt = -1;
  #spanIdAt = -1;
  #parentIdAt = -1;
  #statusCode = 0;
  #statusMessage = '';
  readonly #events: number[] = [];
  readonly #links: number[] = [];

  constructor(request: Buffer, deps: PlainSpanDeps) {
    this.#request = request;
    this.#view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    this.#reader = new WireReader(request);
    this.#deps = deps;
  }

  /** The `Span` in `[start, end)`; `undefined` when it is not plain. Throws on bytes that are no protobuf. */
  read(start: number, end: number, { service, source }: Surroundings): SpanRecord | undefined {
    const request = this.#request;
    const reader = this.#reader;
    const { attributes } = this.#deps;
    this.#reset();
    let operation = '';
    let kind = 0;
    let startNs = 0n;
    let endNs = 0n;
    let traceState = '';
    let droppedAttributes = 0;
    let droppedEvents = 0;
    let droppedLinks = 0;
    let flags = 0;
    attributes.begin();

    for (let at = start; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      const { valueStart, fieldEnd } = reader;
      switch (reader.field * 8 + reader.wireType) {
        case ATTRIBUTE:
          if (!attributes.add(request, valueStart, fieldEnd)) return undefined;
          break;
        case TRACE_ID:
          if (fieldEnd - valueStart !== TRACE_ID_BYTES) return undefined;
          this.#traceIdAt = valueStart;
          break;
        case SPAN_ID:
          if (fieldEnd - valueStart !== SPAN_ID_BYTES) return undefined;
          this.#spanIdAt = valueStart;
          break;
        case PARENT_SPAN_ID:
          if (fieldEnd - valueStart !== SPAN_ID_BYTES) return undefined;
          this.#parentIdAt = valueStart;
          break;
        case NAME:
          operation = readString(request, valueStart, fieldEnd);
          break;
        case KIND:
          kind = readVarint32(request, valueStart) | 0;
          break;
        case START_TIME:
          startNs = this.#view.getBigUint64(valueStart, true);
          break;
        case END_TIME:
          endNs = this.#view.getBigUint64(valueStart, true);
          break;
        case FLAGS:
          flags = this.#view.getUint32(valueStart, true);
          break;
        case STATUS:
          this.#readStatus(valueStart, fieldEnd);
          break;
        case EVENT:
          this.#events.push(valueStart, fieldEnd);
          break;
        case LINK:
          this.#links.push(valueStart, fieldEnd);
          break;
        case TRACE_STATE:
          traceState = readString(request, valueStart, fieldEnd);
          break;
        case DROPPED_ATTRIBUTES:
          droppedAttributes = readVarint32(request, valueStart);
          break;
        case DROPPED_EVENTS:
          droppedEvents = readVarint32(request, valueStart);
          break;
        case DROPPED_LINKS:
          droppedLinks = readVarint32(request, valueStart);
          break;
        default:
      }
    }

    const durationNs = endNs - startNs;
    if (durationNs > LONGEST_NS || durationNs < -LONGEST_NS - 1n) return undefined;
    const spanId = this.#spanIdAt < 0 ? 0n : this.#view.getBigUint64(this.#spanIdAt);
    const parentSpanId = this.#parentIdAt < 0 ? 0n : this.#view.getBigUint64(this.#parentIdAt);
    const trace = this.#readTrace();
    const isParentZero = this.#parentIdAt >= 0 && parentSpanId === 0n;
    if (trace === undefined || spanId === 0n || isParentZero) return undefined;

    const events = this.#messages<SpanEvent>('SpanEvent', this.#events);
    const rest = joinMembers([
      traceState === '' ? '' : `"traceState":${JSON.stringify(traceState)}`,
      droppedAttributes === 0 ? '' : `"droppedAttributesCount":${droppedAttributes}`,
      droppedEvents === 0 ? '' : `"droppedEventsCount":${droppedEvents}`,
      this.#list('links', 'SpanLink', this.#links),
      droppedLinks === 0 ? '' : `"droppedLinksCount":${droppedLinks}`,
      flags === 0 ? '' : `"flags":${flags}`,
      SPAN_KINDS[kind] === undefined ? `"kind":${kind}` : '',
      this.#list('attributes', 'KeyValue', attributes.beyond),
      eventsRest(events),
      this.#statusRest(),
    ]);
    return {
      traceId: trace.id,
      slot: trace.slot,
      traceKey: trace.key,
      spanId,
      parentSpanId,
      service,
      operation,
      startNs,
      durationNs,
      status: SPAN_STATUSES[this.#statusCode] ?? 'unset',
      kind: SPAN_KINDS[kind] ?? 'internal',
      attributes: attributes.finish(),
      events: eventsColumn(events),
      llm: null,
      otlp: rest,
      source,
      replaces: false,
    };
  }

  #reset(): void {
    this.#traceIdAt = -1;
    this.#spanIdAt = -1;
    this.#parentIdAt = -1;
    this.#statusCode = 0;
    this.#statusMessage = '';
    this.#events.length = 0;
    this.#links.length = 0;
  }

  #readTrace(): Trace | undefined {
    const at = this.#traceIdAt;
    if (at < 0) return undefined;
    const request = this.#request;
    if (this.#traceAt < 0 || !isSameBytes(request, this.#traceAt, at, TRACE_ID_BYTES)) {
      const key = this.#deps.hash.hash64(request.subarray(at, at + TRACE_ID_BYTES));
      const id = (this.#view.getBigUint64(at) << 64n) | this.#view.getBigUint64(at + 8);
      this.#trace = { id, key, slot: Number(key & BigInt(SLOT_COUNT - 1)) };
      this.#traceAt = at;
    }
    return this.#trace.id === 0n ? undefined : this.#trace;
  }

  #readStatus(start: number, end: number): void {
    const reader = this.#reader;
    const { fieldEnd } = reader;
    for (let at = start; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      const tag = reader.field * 8 + reader.wireType;
      if (tag === STATUS_CODE) this.#statusCode = readVarint32(this.#request, reader.valueStart) | 0;
      else if (tag === STATUS_MESSAGE)
        this.#statusMessage = readString(this.#request, reader.valueStart, reader.fieldEnd);
    }
    // The span goes on behind its status.
    reader.fieldEnd = fieldEnd;
  }

  #statusRest(): string {
    const code = this.#statusCode;
    if (this.#statusMessage === '' && code >= 0 && code <= 2) return '';
    const message = this.#statusMessage === '' ? '' : `"message":${JSON.stringify(this.#statusMessage)}`;
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
