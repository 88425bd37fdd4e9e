/** The bytes are not protobuf; `offset` is where reading failed, counted from the start of the request. */
export class MalformedProtobufError extends Error {
  override readonly name = 'MalformedProtobufError';
  constructor(what: string, offset: number) {
    super(`${what} at byte ${offset}`);
  }
}

/** Protobuf wire types (Protocol Buffers encoding, "Message Structure"). */
export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const FIXED32 = 5;

export const MAX_VARINT_BYTES = 10;
/** Of a tag or a length, which have 32 bits: decoders refuse zeros after them that other varints may have. */
const MAX_VARINT32_BYTES = 5;
const MAX_GROUP_DEPTH = 32;

/**
 * Reads the fields of messages without copying or decoding anything. Every step is checked against the end of the
 * message, so no input makes it read outside. One message after the other:
 *
 *     const reader = new WireReader(bytes);
 *     while (reader.next()) if (reader.field === 1 && reader.wireType === LENGTH_DELIMITED) …
 *
 * or, where messages are many and nested, with one reader for all of them:
 *
 *     for (let at = start; at < end; at = reader.fieldEnd) reader.read(at, end);
 *
 * After either, `[fieldStart, fieldEnd)` is the field with its tag and `[valueStart, fieldEnd)` its content (for
 * length-delimited fields without the length). Throws {@link MalformedProtobufError} and nothing else.
 */
export class WireReader {
  field = 0;
  wireType = 0;
  fieldStart = 0;
  valueStart = 0;
  fieldEnd: number;
  readonly #bytes: Uint8Array;
  readonly #messageEnd: number;
  #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#messageEnd = end;
    this.#end = end;
    this.fieldEnd = start;
  }

  /** Steps to the next field of the reader's own message; false at its end. */
  next(): boolean {
    if (this.fieldEnd === this.#messageEnd) return false;
    this.read(this.fieldEnd, this.#messageEnd);
    return true;
  }

  /** Reads the field that begins at `at`, in any message that ends at `end`. */
  read(at: number, end: number): void {
    const bytes = this.#bytes;
    const tag = bytes[at] as number;
    this.fieldStart = at;
    // One-byte tags with short values: nearly every field of OTLP. Bytes past `end` lead to an end past it.
    if (tag >= 8 && tag < 0x80) {
      const wireType = tag & 7;
      const next = bytes[at + 1] as number;
      let valueStart = 0;
      let fieldEnd = end + 1;
      if (wireType === LENGTH_DELIMITED) {
        if (next < 0x80) {
          valueStart = at + 2;
          fieldEnd = valueStart + next;
        } else {
          const second = bytes[at + 2] as number;
          valueStart = at + 3;
          if (second < 0x80) fieldEnd = valueStart + (next & 0x7f) + (second << 7);
        }
      } else if (wireType === FIXED64) {
        valueStart = at + 1;
        fieldEnd = at + 9;
      } else if (wireType === VARINT && next < 0x80) {
        valueStart = at + 1;
        fieldEnd = at + 2;
      }
      if (fieldEnd <= end) {
        this.wireType = wireType;
        this.field = tag >> 3;
        this.valueStart = valueStart;
        this.fieldEnd = fieldEnd;
        return;
      }
    }
    this.#at = at;
    this.#end = end;
    this.#readTag();
    this.#skipValue(0);
    this.fieldEnd = this.#at;
  }

  #readTag(): void {
    const start = this.#at;
    const tag = this.#varint();
    this.wireType = tag & 7;
    this.field = Math.floor(tag / 8);
    const isTooLong = tag > 0xffff_ffff || this.#at - start > MAX_VARINT32_BYTES;
    if (this.field === 0 || isTooLong) throw new MalformedProtobufError('invalid field tag', start);
  }

  #skipValue(depth: number): void {
    this.valueStart = this.#at;
    switch (this.wireType) {
      case VARINT:
        this.#varint();
        return;
      case FIXED64:
        this.#advance(8);
        return;
      case LENGTH_DELIMITED: {
        const length = this.#varint();
        if (this.#at - this.valueStart > MAX_VARINT32_BYTES)
          throw new MalformedProtobufError('length longer than 5 bytes', this.valueStart);
        this.valueStart = this.#at;
        this.#advance(length);
        return;
      }
      case START_GROUP:
        this.#skipGroup(depth + 1);
        return;
      case FIXED32:
        this.#advance(4);
        return;
      default:
        throw new MalformedProtobufError(`invalid wire type ${this.wireType}`, this.fieldStart);
    }
  }

  /** Skips to the end tag that belongs to the group; leaves `field` and `wireType` as the group's own. */
  #skipGroup(depth: number): void {
    const { field, valueStart } = this;
    if (depth > MAX_GROUP_DEPTH) throw new MalformedProtobufError('groups nested too deeply', valueStart);
    for (;;) {
      const at = this.#at;
      this.#readTag();
      if (this.wireType === END_GROUP) {
        if (this.field !== field) throw new MalformedProtobufError('group ended by another field', at);
        break;
      }
      this.#skipValue(depth);
    }
    this.field = field;
    this.wireType = START_GROUP;
    this.valueStart = valueStart;
  }

  #advance(length: number): void {
    if (length > this.#end - this.#at)
      throw new MalformedProtobufError('field is longer than its message', this.#at);
    this.#at += length;
  }

  /** Exact up to 2^53; larger values only matter to their length check, which they fail either way. */
  #varint(): number {
    const start = this.#at;
    let value = 0;
    let scale = 1;
    for (let count = 1; count <= MAX_VARINT_BYTES; count++) {
      if (this.#at >= this.#end) throw new MalformedProtobufError('truncated varint', start);
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new MalformedProtobufError('varint longer than 10 bytes', start);
  }
}
