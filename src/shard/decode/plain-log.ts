import { WireReader } from '../../shared/otlp/wire-reader.ts';
import type { Arena } from '../store/arena.ts';
import type { LogRecord } from '../store/tables.ts';
import { joinMembers } from './join-members.ts';
import { JsonBytes } from './json-bytes.ts';
import { MAX_BODY_BYTES, severityOf } from './logs.ts';
import { PlainAttributes } from './plain-attributes.ts';
import type { Surroundings } from './surroundings.ts';
import { contentStart, readString, readVarint32 } from './wire-values.ts';

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
/** Tag of a string in `AnyValue`. */
const STRING = 0x0a;

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/**
 * Reads the log records of one request straight off the wire, as far as they are as nearly all are: with a short text
 * as their body and plain attributes, all of which the columns hold. The others are decoded to messages first; what is
 * read is the same either way.
 */
export class PlainLogReader {
  readonly #request: Buffer;
  readonly #view: DataView;
  readonly #reader: WireReader;
  /** Where the JSON of each record's attributes is written, one after the other in the same place. */
  readonly #texts: Arena;
  readonly #attributes: PlainAttributes;

  constructor(request: Buffer, texts: Arena) {
    this.#request = request;
    this.#view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    this.#reader = new WireReader(request);
    this.#texts = texts;
    this.#attributes = new PlainAttributes(new JsonBytes(texts));
  }

  /** The `LogRecord` in `[start, end)`; `undefined` when it is not plain. Throws on bytes that are no protobuf. */
  read(start: number, end: number, { service, source }: Surroundings): Omit<LogRecord, 'tie'> | undefined {
    const request = this.#request;
    const view = this.#view;
    const reader = this.#reader;
    const attributes = this.#attributes;
    let timeNs = 0n;
    let observedNs = 0n;
    let severityNumber = 0;
    let severityText = '';
    let body: string | undefined;
    let flags = 0;
    let traceIdAt = -1;
    let spanIdAt = -1;
    let eventName = '';
    this.#texts.sizeBytes = 0;
    attributes.begin();

    for (let at = start; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      const { valueStart, fieldEnd } = reader;
      switch (reader.field * 8 + reader.wireType) {
        case ATTRIBUTE:
          if (!attributes.add(request, valueStart, fieldEnd)) return undefined;
          break;
        case TIME:
          timeNs = view.getBigUint64(valueStart, true);
          break;
        case OBSERVED_TIME:
          observedNs = view.getBigUint64(valueStart, true);
          break;
        case SEVERITY_NUMBER:
          severityNumber = readVarint32(request, valueStart) | 0;
          break;
        case SEVERITY_TEXT:
          severityText = readString(request, valueStart, fieldEnd);
          break;
        case BODY: {
          const isFirst = body === undefined && request[valueStart] === STRING;
          const contentAt = isFirst ? contentStart(request, valueStart + 1, fieldEnd) : -1;
          if (contentAt < 0 || fieldEnd - contentAt > MAX_BODY_BYTES) return undefined;
          body = readString(request, contentAt, fieldEnd);
          break;
        }
        case FLAGS:
          flags = view.getUint32(valueStart, true);
          break;
        case TRACE_ID:
          if (fieldEnd - valueStart !== TRACE_ID_BYTES) return undefined;
          traceIdAt = valueStart;
          break;
        case SPAN_ID:
          if (fieldEnd - valueStart !== SPAN_ID_BYTES) return undefined;
          spanIdAt = valueStart;
          break;
        case EVENT_NAME:
          eventName = readString(request, valueStart, fieldEnd);
          break;
        case DROPPED_ATTRIBUTES:
          return undefined;
        default:
      }
    }

    const traceId =
      traceIdAt < 0 ? 0n : (view.getBigUint64(traceIdAt) << 64n) | view.getBigUint64(traceIdAt + 8);
    const spanId = spanIdAt < 0 ? 0n : view.getBigUint64(spanIdAt);
    const isIdZero = (traceIdAt >= 0 && traceId === 0n) || (spanIdAt >= 0 && spanId === 0n);
    if (body === undefined || isIdZero || attributes.beyond.length > 0) return undefined;
    attributes.finish();
    const severity = severityOf(severityNumber);
    const isTimeBorrowed = timeNs === 0n && observedNs !== 0n;
    return {
      timeNs: isTimeBorrowed ? observedNs : timeNs,
      observedNs,
      traceId,
      spanId,
      severity,
      severityText: severityText === '' ? severity.toUpperCase() : severityText,
      body,
      bodySha256: null,
      service,
      attributes: this.#texts.text(0, this.#texts.sizeBytes),
      otlp: joinMembers([
        severityNumber === 0 ? '' : `"severityNumber":${severityNumber}`,
        flags === 0 ? '' : `"flags":${flags}`,
        eventName === '' ? '' : `"eventName":${JSON.stringify(eventName)}`,
        isTimeBorrowed ? '"timeUnixNano":"0"' : '',
        severityText === '' ? '"severityText":""' : '',
      ]),
      source,
    };
  }
}
