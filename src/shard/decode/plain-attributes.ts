import { doubleText } from './any-value.ts';
import type { JsonBytes } from './json-bytes.ts';
import { ARRAY, BOOL, BYTES, DOUBLE, DOUBLE_BYTES, INT, KEY, KVLIST, STRING, VALUE } from './plain-values.ts';
import { contentStart, isSameBytes, Varint64 } from './wire-values.ts';

const OPEN = 0x7b;
const CLOSE = 0x7d;
const QUOTE = 0x22;
const ZERO = 0x30;
const NINE = 0x39;

const MOST_ATTRIBUTES = 128;

/**
 * Turns attributes as nearly all of them are encoded into the stored JSON (see `tables.ts`), straight from the bytes.
 * What is legal but rare is not taken: repeated keys, fields in another order or in parts, `gen_ai` attributes.
 */
export class PlainAttributes {
  /** Start and end, in turn, of the attributes that the JSON does not tell all of. */
  readonly beyond: number[] = [];
  readonly #json: JsonBytes;
  readonly #integer = new Varint64();
  /** Of each key where it begins and a weak hash of it. */
  readonly #keys = new Int32Array(2 * MOST_ATTRIBUTES);
  #count = 0;
  #isFirst = true;
  #keyStart = 0;
  #keyEnd = 0;
  #valueStart = 0;

  constructor(json: JsonBytes) {
    this.#json = json;
  }

  begin(): void {
    // Setting a length is slow.
    if (this.beyond.length > 0) this.beyond.length = 0;
    this.#count = 0;
    this.#isFirst = true;
    this.#json.byte(OPEN);
  }

  /** Ends the JSON of all attributes since `begin`. */
  finish(): void {
    this.#json.byte(CLOSE);
  }

  /** Adds the `KeyValue` in `[start, end)`; false when it is not plain, and all are to be decoded otherwise. */
  add(request: Buffer, start: number, end: number): boolean {
    if (!this.#read(request, start, end)) return false;
    const json = this.#json;
    const valueStart = this.#valueStart;
    // An empty value has no tag.
    const tag = valueStart === end ? BYTES : (request[valueStart] as number);
    if (tag === ARRAY || tag === KVLIST || tag === BYTES) {
      this.beyond.push(start, end);
      return valueStart === end || contentStart(request, valueStart + 1, end) >= 0;
    }
    this.#writeName();
    switch (tag) {
      case STRING: {
        const contentAt = contentStart(request, valueStart + 1, end);
        if (contentAt < 0) return false;
        json.string(contentAt, end);
        return true;
      }
      case INT:
        return this.#addInteger(request, valueStart + 1, end);
      case BOOL:
        if (end !== valueStart + 2 || (request[valueStart + 1] as number) >= 0x80) return false;
        json.ascii(request[valueStart + 1] === 0 ? 'false' : 'true');
        return true;
      case DOUBLE:
        if (end !== valueStart + 1 + DOUBLE_BYTES) return false;
        if (!this.#addDouble(request.readDoubleLE(valueStart + 1))) this.beyond.push(start, end);
        return true;
      default:
        return false;
    }
  }

  /** The same where all values are to be strings, and keys that an object would put in another order are not plain. */
  addText(request: Buffer, start: number, end: number): boolean {
    if (!this.#read(request, start, end)) return false;
    const first = request[this.#keyStart] as number;
    const valueStart = this.#valueStart;
    const contentAt = request[valueStart] === STRING ? contentStart(request, valueStart + 1, end) : -1;
    if (contentAt < 0 || (first >= ZERO && first <= NINE)) return false;
    this.#writeName();
    this.#json.string(contentAt, end);
    return true;
  }

  /** Finds the key and the value, which ends where the attribute does; false when they are not plain. */
  #read(request: Buffer, start: number, end: number): boolean {
    const keyStart = start + 2;
    const keyEnd = keyStart + (request[start + 1] as number);
    // Lengths of one byte; a longer one leads to a tag that is not there.
    const isKeyPlain = keyEnd > keyStart && keyEnd - keyStart < 0x80 && keyEnd + 2 <= end;
    if (request[start] !== KEY || !isKeyPlain) return false;
    if (request[keyEnd] !== VALUE || startsWithGenAi(request, keyStart)) return false;
    this.#keyStart = keyStart;
    this.#keyEnd = keyEnd;
    this.#valueStart = contentStart(request, keyEnd + 1, end);
    if (this.#valueStart < 0 || this.#count === MOST_ATTRIBUTES) return false;
    return this.#isNewKey(request, keyStart, keyEnd);
  }

  #writeName(): void {
    this.#json.name(this.#keyStart, this.#keyEnd, this.#isFirst);
    this.#isFirst = false;
  }

  #isNewKey(request: Buffer, start: number, end: number): boolean {
    const keys = this.#keys;
    const length = end - start;
    const hash =
      (length +
        ((request[end - 1] as number) << 8) +
        ((request[end - 3] as number) << 16) +
        ((request[start + (length >> 1)] as number) << 23)) |
      0;
    const count = this.#count++;
    for (let index = 0; index < count; index++) {
      if (keys[2 * index + 1] !== hash) continue;
      // A longer key that begins with this one may be taken for it, which only costs the slower way.
      if (isSameBytes(request, keys[2 * index] as number, start, length)) return false;
    }
    keys[2 * count] = start;
    keys[2 * count + 1] = hash;
    return true;
  }

  #addInteger(request: Buffer, start: number, end: number): boolean {
    const integer = this.#integer;
    if (!integer.read(request, start, end)) return false;
    this.#json.signed64(integer.high, integer.low);
    return true;
  }

  /** False when the text does not tell that it is a double. */
  #addDouble(value: number): boolean {
    const text = String(value);
    if (text.includes('.') && !text.includes('e')) {
      this.#json.ascii(text);
      return true;
    }
    this.#json.byte(QUOTE);
    this.#json.ascii(doubleText(value));
    this.#json.byte(QUOTE);
    return false;
  }
}

function startsWithGenAi(request: Buffer, start: number): boolean {
  return (
    request[start] === 0x67 &&
    request[start + 1] === 0x65 &&
    request[start + 2] === 0x6e &&
    request[start + 3] === 0x5f
  );
}
