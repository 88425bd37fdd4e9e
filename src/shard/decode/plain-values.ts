import { WireReader } from '../../shared/otlp/wire-reader.ts';
import type { JsonBytes } from './json-bytes.ts';
import { contentStart, Varint64 } from './wire-values.ts';

/** Tags of `KeyValue`, and of the only field of `ArrayValue` and of `KeyValueList`. */
export const KEY = 0x0a;
export const VALUE = 0x12;
const ITEM = 0x0a;
/** Tags of the members of `AnyValue`: field number times eight, plus the wire type. */
export const STRING = 0x0a;
export const BOOL = 0x10;
export const INT = 0x18;
export const DOUBLE = 0x21;
export const ARRAY = 0x2a;
export const KVLIST = 0x32;
export const BYTES = 0x3a;

export const DOUBLE_BYTES = 8;
/** Deeper ones are decoded to messages. */
const MOST_NESTED = 16;

const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const CLOSE = 0x7d;

type WriteItem = (start: number, end: number, nested: number) => boolean;

/**
 * Writes attributes and values of a request in OTLP/JSON, as `otlpJson` does, straight from the bytes. What is legal
 * but rare is not taken, and its beginning may have been written by then.
 */
export class PlainValues {
  readonly #request: Buffer;
  readonly #json: JsonBytes;
  readonly #reader: WireReader;
  readonly #integer = new Varint64();

  constructor(request: Buffer, json: JsonBytes) {
    this.#request = request;
    this.#json = json;
    this.#reader = new WireReader(request);
  }

  /** Writes the `KeyValue` in `[start, end)`; false when it is not plain. */
  readonly attribute: WriteItem = (start, end, nested) => {
    const request = this.#request;
    const keyStart = start + 2;
    const keyEnd = keyStart + (request[start + 1] as number);
    // Lengths of one byte; a longer one leads to a tag that is not there.
    const isKeyPlain = keyEnd > keyStart && keyEnd - keyStart < 0x80 && keyEnd + 2 <= end;
    if (request[start] !== KEY || !isKeyPlain || request[keyEnd] !== VALUE) return false;
    const valueStart = contentStart(request, keyEnd + 1, end);
    if (valueStart < 0) return false;
    this.#json.ascii('{"key":');
    this.#json.string(keyStart, keyEnd);
    this.#json.ascii(',"value":');
    if (!this.value(valueStart, end, nested)) return false;
    this.#json.byte(CLOSE);
    return true;
  };

  /** Writes the `AnyValue` in `[start, end)`; false when it is not plain. */
  readonly value: WriteItem = (start, end, nested) => {
    const request = this.#request;
    const json = this.#json;
    if (start === end) {
      json.ascii('{}');
      return true;
    }
    const tag = request[start] as number;
    const isSized = tag === STRING || tag === ARRAY || tag === KVLIST || tag === BYTES;
    const contentAt = isSized ? contentStart(request, start + 1, end) : start + 1;
    if (contentAt < 0 || nested > MOST_NESTED) return false;
    switch (tag) {
      case STRING:
        json.ascii('{"stringValue":');
        json.string(contentAt, end);
        break;
      case BOOL:
        if (end !== contentAt + 1 || (request[contentAt] as number) >= 0x80) return false;
        json.ascii(request[contentAt] === 0 ? '{"boolValue":false' : '{"boolValue":true');
        break;
      case INT:
        if (!this.#integer.read(request, contentAt, end)) return false;
        json.ascii('{"intValue":"');
        json.signed64(this.#integer.high, this.#integer.low);
        json.ascii('"');
        break;
      case DOUBLE:
        if (end !== contentAt + DOUBLE_BYTES) return false;
        json.ascii('{"doubleValue":');
        json.double(request.readDoubleLE(contentAt));
        break;
      case ARRAY:
        json.ascii('{"arrayValue":{');
        if (!this.#items(contentAt, end, nested, this.value)) return false;
        json.byte(CLOSE);
        break;
      case KVLIST:
        json.ascii('{"kvlistValue":{');
        if (!this.#items(contentAt, end, nested, this.attribute)) return false;
        json.byte(CLOSE);
        break;
      case BYTES:
        json.ascii(`{"bytesValue":"${request.toString('base64', contentAt, end)}"`);
        break;
      default:
        return false;
    }
    json.byte(CLOSE);
    return true;
  };

  /** Writes the member `values` of a list, which one without items does not have. */
  #items(start: number, end: number, nested: number, write: WriteItem): boolean {
    const reader = this.#reader;
    const json = this.#json;
    if (start === end) return true;
    json.ascii('"values":');
    let fieldEnd = start;
    for (let at = start; at < end; at = fieldEnd) {
      json.byte(at === start ? OPEN_LIST : COMMA);
      reader.read(at, end);
      if (reader.field * 8 + reader.wireType !== ITEM) return false;
      fieldEnd = reader.fieldEnd;
      if (!write(reader.valueStart, fieldEnd, nested + 1)) return false;
    }
    json.byte(CLOSE_LIST);
    return true;
  }
}
