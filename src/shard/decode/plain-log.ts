import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import { WireReader } from '../../shared/otlp/wire-reader.ts';
import { NO_TEXT, ORIGIN_AT, writeUint64 } from '../store/packed/fields.ts';
import { LOGS } from '../store/packed/tables.ts';
import { SEVERITIES } from '../store/tables.ts';
import { JsonBytes } from './json-bytes.ts';
import { MAX_BODY_BYTES, severityOf } from './logs.ts';
import { OtlpMembers } from './otlp-members.ts';
import { PlainAttributes } from './plain-attributes.ts';
import { STRING } from './plain-values.ts';
import type { PackedRecords } from './sink.ts';
import type { Surroundings } from './surroundings.ts';
import { checkUtf8, contentStart, readVarint32 } from './wire-values.ts';

/** Tags of `LogRecord`: field number times eight, plus the wire type. */
const TIME = 0x09;
const SEVERITY_NUMBER = 0x10;
const SEVERITY_TEXT = 0x1a;
const BODY = 0x2a;
const ATTRIBUTE = 0x32;
const DROPPED_ATTRIBUTES = 0x38;
const FLAGS = 0x45;
const TRACE_ID = 0x4a;
const SPAN_ID = 0x52;
const OBSERVED_TIME = 0x59;
const EVENT_NAME = 0x62;

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
const AT = LOGS.at;

export interface PlainLogDeps {
  readonly records: PackedRecords;
  readonly types: OtlpTypes;
}

/**
 * Reads the log records of one request straight off the wire into a list, as far as they are as nearly all are: with a
 * short text as their body. The others are decoded to messages first; what is read is the same either way.
 */
export class PlainLogReader {
  readonly #request: Buffer;
  readonly #view: DataView;
  readonly #reader: WireReader;
  readonly #records: PackedRecords;
  readonly #attributes: PlainAttributes;
  readonly #rest: OtlpMembers;
  /** The fields of one record after the other, 0 where it does not have them, or -1 for a place. */
  #timeAt = -1;
  #observedAt = -1;
  #traceIdAt = -1;
  #spanIdAt = -1;
  #severityNumber = 0;
  #severityStart = 0;
  #severityEnd = 0;
  #bodyStart = -1;
  #bodyEnd = 0;
  #droppedAttributes = 0;
  #flags = 0;
  #eventNameStart = 0;
  #eventNameEnd = 0;

  constructor(request: Buffer, { records, types }: PlainLogDeps) {
    const json = new JsonBytes(records.logs.texts, request);
    this.#request = request;
    this.#view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    this.#reader = new WireReader(request);
    this.#records = records;
    this.#attributes = new PlainAttributes(json);
    this.#rest = new OtlpMembers({ request, json, types });
  }

  /** Adds the `LogRecord` in `[start, end)`; false when it is not plain. Throws on bytes that are no protobuf. */
  read(start: number, end: number, { service, source }: Surroundings, tie: bigint): boolean {
    const { logs } = this.#records;
    const { texts } = logs;
    const attributesStart = texts.sizeBytes;
    const at = logs.next();
    const { words } = logs;
    this.#attributes.begin();
    if (!this.#readFields(start, end) || this.#bodyStart < 0 || !this.#writeIds(words, at)) {
      texts.sizeBytes = attributesStart;
      return false;
    }
    this.#attributes.finish();
    words[at + AT.attributes] = attributesStart;
    words[at + AT.attributes + 1] = texts.sizeBytes - attributesStart;
    this.#writeTimes(words, at);
    this.#writeSeverity(words, at);
    this.#writeBody(words, at);
    this.#writeRest(words, at);
    words[at + AT.bodySha256 + 1] = NO_TEXT;
    writeUint64(words, at + AT.tie, tie);
    words[at + ORIGIN_AT] = logs.origin(service, source);
    logs.length++;
    return true;
  }

  #readFields(start: number, end: number): boolean {
    const request = this.#request;
    const reader = this.#reader;
    this.#reset();
    for (let at = start; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      const { valueStart, fieldEnd } = reader;
      switch (reader.field * 8 + reader.wireType) {
        case ATTRIBUTE:
          if (!this.#attributes.add(request, valueStart, fieldEnd)) return false;
          break;
        case TIME:
          this.#timeAt = valueStart;
          break;
        case OBSERVED_TIME:
          this.#observedAt = valueStart;
          break;
        case SEVERITY_NUMBER:
          this.#severityNumber = readVarint32(request, valueStart) | 0;
          break;
        case SEVERITY_TEXT:
          checkUtf8(request, valueStart, fieldEnd);
          this.#severityStart = valueStart;
          this.#severityEnd = fieldEnd;
          break;
        case BODY: {
          const isFirst = this.#bodyStart < 0 && request[valueStart] === STRING;
          const contentAt = isFirst ? contentStart(request, valueStart + 1, fieldEnd) : -1;
          if (contentAt < 0 || fieldEnd - contentAt > MAX_BODY_BYTES) return false;
          this.#bodyStart = contentAt;
          this.#bodyEnd = fieldEnd;
          break;
        }
        case FLAGS:
          this.#flags = this.#view.getUint32(valueStart, true);
          break;
        case TRACE_ID:
          this.#traceIdAt = fieldEnd === valueStart ? -1 : valueStart;
          if (fieldEnd !== valueStart && fieldEnd - valueStart !== TRACE_ID_BYTES) return false;
          break;
        case SPAN_ID:
          this.#spanIdAt = fieldEnd === valueStart ? -1 : valueStart;
          if (fieldEnd !== valueStart && fieldEnd - valueStart !== SPAN_ID_BYTES) return false;
          break;
        case EVENT_NAME:
          checkUtf8(request, valueStart, fieldEnd);
          this.#eventNameStart = valueStart;
          this.#eventNameEnd = fieldEnd;
          break;
        case DROPPED_ATTRIBUTES:
          this.#droppedAttributes = readVarint32(request, valueStart);
          break;
        default:
      }
    }
    return true;
  }

  /** False when an id is there and zero. */
  #writeIds(words: Int32Array, at: number): boolean {
    const view = this.#view;
    const traceIdAt = this.#traceIdAt;
    let traceBits = 0;
    for (let word = 0; word < 4; word++) {
      const bits = traceIdAt < 0 ? 0 : view.getInt32(traceIdAt + 12 - 4 * word);
      words[at + AT.traceId + word] = bits;
      traceBits |= bits;
    }
    const spanIdAt = this.#spanIdAt;
    const spanLow = spanIdAt < 0 ? 0 : view.getInt32(spanIdAt + 4);
    const spanHigh = spanIdAt < 0 ? 0 : view.getInt32(spanIdAt);
    words[at + AT.spanId] = spanLow;
    words[at + AT.spanId + 1] = spanHigh;
    return (traceIdAt < 0 || traceBits !== 0) && (spanIdAt < 0 || (spanLow | spanHigh) !== 0);
  }

  /** A record that only says when it was seen happened about then. */
  #writeTimes(words: Int32Array, at: number): void {
    this.#writeTime(words, at + AT.observedNs, this.#observedAt);
    this.#writeTime(words, at + AT.timeNs, this.#isZero(this.#timeAt) ? this.#observedAt : this.#timeAt);
  }

  #writeTime(words: Int32Array, at: number, timeAt: number): void {
    words[at] = timeAt < 0 ? 0 : this.#view.getInt32(timeAt, true);
    words[at + 1] = timeAt < 0 ? 0 : this.#view.getInt32(timeAt + 4, true);
  }

  #isZero(timeAt: number): boolean {
    return timeAt < 0 || (this.#view.getInt32(timeAt) | this.#view.getInt32(timeAt + 4)) === 0;
  }

  #writeSeverity(words: Int32Array, at: number): void {
    const { texts } = this.#records.logs;
    const severity = severityOf(this.#severityNumber);
    words[at + AT.severity] = SEVERITIES.indexOf(severity);
    words[at + AT.severityText] = texts.sizeBytes;
    if (this.#severityStart === this.#severityEnd) texts.addText(severity.toUpperCase());
    else texts.addRange(this.#request, this.#severityStart, this.#severityEnd);
    words[at + AT.severityText + 1] = texts.sizeBytes - (words[at + AT.severityText] as number);
  }

  #writeBody(words: Int32Array, at: number): void {
    const request = this.#request;
    const { logs, logWords } = this.#records;
    const start = this.#bodyStart;
    const end = this.#bodyEnd;
    if (!logWords.addAscii(request, start, end)) {
      checkUtf8(request, start, end);
      logWords.addText(request.toString('utf8', start, end));
    }
    words[at + AT.body] = logs.texts.sizeBytes;
    words[at + AT.body + 1] = end - start;
    logs.texts.addRange(request, start, end);
  }

  #writeRest(words: Int32Array, at: number): void {
    const rest = this.#rest;
    rest.begin();
    rest.integer('"severityNumber":', this.#severityNumber);
    rest.integer('"droppedAttributesCount":', this.#droppedAttributes);
    rest.integer('"flags":', this.#flags);
    rest.string('"eventName":', this.#eventNameStart, this.#eventNameEnd);
    if (this.#isZero(this.#timeAt) && !this.#isZero(this.#observedAt)) rest.member('"timeUnixNano":"0"');
    if (this.#severityStart === this.#severityEnd) rest.member('"severityText":""');
    rest.attributes(this.#attributes.beyond);
    rest.finish(words, at + AT.otlp);
  }

  #reset(): void {
    this.#timeAt = -1;
    this.#observedAt = -1;
    this.#traceIdAt = -1;
    this.#spanIdAt = -1;
    this.#severityNumber = 0;
    this.#severityStart = 0;
    this.#severityEnd = 0;
    this.#bodyStart = -1;
    this.#bodyEnd = 0;
    this.#droppedAttributes = 0;
    this.#flags = 0;
    this.#eventNameStart = 0;
    this.#eventNameEnd = 0;
  }
}
