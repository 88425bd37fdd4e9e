import { WireReader } from '../../shared/otlp/wire-reader.ts';
import type { PlainAttributes } from './plain-attributes.ts';
import { checkUtf8, readVarint32 } from './wire-values.ts';

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

export const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/**
 * The fields of one span after the other of a request: of what it does not have, 0 or, for a place, -1. A text is where
 * it begins and ends, an empty one in the same place.
 */
export class SpanFields {
  traceIdAt = -1;
  spanIdAt = -1;
  parentIdAt = -1;
  startTimeAt = -1;
  endTimeAt = -1;
  nameStart = 0;
  nameEnd = 0;
  kind = 0;
  flags = 0;
  statusCode = 0;
  statusMessageStart = 0;
  statusMessageEnd = 0;
  traceStateStart = 0;
  traceStateEnd = 0;
  droppedAttributes = 0;
  droppedEvents = 0;
  droppedLinks = 0;
  /** Start and end of each, in turn. */
  readonly events: number[] = [];
  readonly links: number[] = [];
  readonly #request: Buffer;
  readonly #reader: WireReader;

  constructor(request: Buffer) {
    this.#request = request;
    this.#reader = new WireReader(request);
  }

  /** Reads the `Span` in `[start, end)`, its attributes where they go; false when something of it is not plain. */
  read(start: number, end: number, attributes: PlainAttributes): boolean {
    this.#reset();
    const request = this.#request;
    const reader = this.#reader;
    for (let at = start; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      const { valueStart, fieldEnd } = reader;
      switch (reader.field * 8 + reader.wireType) {
        case ATTRIBUTE:
          if (!attributes.add(request, valueStart, fieldEnd)) return false;
          break;
        case TRACE_ID:
          if (fieldEnd - valueStart !== TRACE_ID_BYTES) return false;
          this.traceIdAt = valueStart;
          break;
        case SPAN_ID:
          if (fieldEnd - valueStart !== SPAN_ID_BYTES) return false;
          this.spanIdAt = valueStart;
          break;
        case PARENT_SPAN_ID:
          this.parentIdAt = fieldEnd === valueStart ? -1 : valueStart;
          if (fieldEnd !== valueStart && fieldEnd - valueStart !== SPAN_ID_BYTES) return false;
          break;
        case NAME:
          checkUtf8(request, valueStart, fieldEnd);
          this.nameStart = valueStart;
          this.nameEnd = fieldEnd;
          break;
        case KIND:
          this.kind = readVarint32(request, valueStart) | 0;
          break;
        case START_TIME:
          this.startTimeAt = valueStart;
          break;
        case END_TIME:
          this.endTimeAt = valueStart;
          break;
        case FLAGS:
          this.flags = request.readUInt32LE(valueStart);
          break;
        case STATUS:
          this.#readStatus(valueStart, fieldEnd);
          break;
        case EVENT:
          this.events.push(valueStart, fieldEnd);
          break;
        case LINK:
          this.links.push(valueStart, fieldEnd);
          break;
        case TRACE_STATE:
          checkUtf8(request, valueStart, fieldEnd);
          this.traceStateStart = valueStart;
          this.traceStateEnd = fieldEnd;
          break;
        case DROPPED_ATTRIBUTES:
          this.droppedAttributes = readVarint32(request, valueStart);
          break;
        case DROPPED_EVENTS:
          this.droppedEvents = readVarint32(request, valueStart);
          break;
        case DROPPED_LINKS:
          this.droppedLinks = readVarint32(request, valueStart);
          break;
        default:
      }
    }
    return true;
  }

  #readStatus(start: number, end: number): void {
    const reader = this.#reader;
    const { fieldEnd } = reader;
    for (let at = start; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      const { valueStart } = reader;
      const tag = reader.field * 8 + reader.wireType;
      if (tag === STATUS_CODE) this.statusCode = readVarint32(this.#request, valueStart) | 0;
      else if (tag === STATUS_MESSAGE) {
        checkUtf8(this.#request, valueStart, reader.fieldEnd);
        this.statusMessageStart = valueStart;
        this.statusMessageEnd = reader.fieldEnd;
      }
    }
    // The span goes on behind its status.
    reader.fieldEnd = fieldEnd;
  }

  #reset(): void {
    this.traceIdAt = -1;
    this.spanIdAt = -1;
    this.parentIdAt = -1;
    this.startTimeAt = -1;
    this.endTimeAt = -1;
    this.nameStart = 0;
    this.nameEnd = 0;
    this.kind = 0;
    this.flags = 0;
    this.statusCode = 0;
    this.statusMessageStart = 0;
    this.statusMessageEnd = 0;
    this.traceStateStart = 0;
    this.traceStateEnd = 0;
    this.droppedAttributes = 0;
    this.droppedEvents = 0;
    this.droppedLinks = 0;
    // Setting a length is slow.
    if (this.events.length > 0) this.events.length = 0;
    if (this.links.length > 0) this.links.length = 0;
  }
}
