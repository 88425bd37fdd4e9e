const INITIAL_BYTES = 64 * 1024;
/** A larger buffer is not kept for the next message. */
const KEPT_BYTES = 4 * 1024 * 1024;
/** Up to here a loop over the characters is faster than a call into the runtime. */
const SHORT_STRING = 48;

/**
 * Writes protobuf from its end to its start. A length stands before what it measures, so that way it is known when
 * it is written, and nothing is moved or measured first. Fields and list items are given in reverse.
 */
export class ProtoWriter {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #at = INITIAL_BYTES;

  /** How much has been written; the difference of two is the length of what was written between. */
  get sizeBytes(): number {
    return this.#bytes.length - this.#at;
  }

  /** What was written, as a buffer of its own; the writer is empty then. */
  finish(): Buffer {
    const written = Buffer.allocUnsafeSlow(this.sizeBytes);
    this.#bytes.copy(written, 0, this.#at);
    this.reset();
    return written;
  }

  reset(): void {
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.#at = this.#bytes.length;
  }

  /** An unsigned integer of at most 32 bits. */
  varint(value: number): void {
    if (value < 0x80) {
      this.#reserve(1);
      this.#bytes[--this.#at] = value;
      return;
    }
    const length = value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    this.#reserve(length);
    this.#at -= length;
    let at = this.#at;
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.#bytes[at++] = (rest % 128) | 0x80;
    this.#bytes[at] = rest;
  }

  /** An integer of 64 bits in two halves of 32, both unsigned. */
  varint64(low: number, high: number): void {
    if (high === 0) {
      this.varint(low);
      return;
    }
    const length = high < 0x8 ? 5 : Math.ceil((64 - Math.clz32(high)) / 7);
    this.#reserve(length);
    this.#at -= length;
    let at = this.#at;
    let lowRest = low;
    let highRest = high;
    while (highRest > 0 || lowRest >= 0x80) {
      this.#bytes[at++] = (lowRest & 0x7f) | 0x80;
      lowRest = ((lowRest >>> 7) | (highRest << 25)) >>> 0;
      highRest >>>= 7;
    }
    this.#bytes[at] = lowRest;
  }

  fixed32(value: number): void {
    this.#reserve(4);
    this.#at -= 4;
    this.#bytes.writeUInt32LE(value, this.#at);
  }

  /** In two halves of 32 bits, both unsigned. */
  fixed64(low: number, high: number): void {
    this.#reserve(8);
    this.#at -= 8;
    this.#bytes.writeUInt32LE(low, this.#at);
    this.#bytes.writeUInt32LE(high, this.#at + 4);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#at -= 8;
    this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** With its length. */
  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#at -= value.length;
    this.#bytes.set(value, this.#at);
    this.varint(value.length);
  }

  /** As UTF-8, with its length. */
  string(value: string): void {
    const { length } = value;
    if (length > SHORT_STRING || !this.#shortAscii(value)) {
      const sizeBytes = Buffer.byteLength(value);
      this.#reserve(sizeBytes);
      this.#at -= sizeBytes;
      this.#bytes.write(value, this.#at);
      this.varint(sizeBytes);
      return;
    }
    this.varint(length);
  }

  #shortAscii(value: string): boolean {
    const { length } = value;
    this.#reserve(length);
    const start = this.#at - length;
    const bytes = this.#bytes;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[start + index] = code;
    }
    this.#at = start;
    return true;
  }

  /** The bytes that hex digits of any case stand for, with their length; false, and nothing, when they are none. */
  hex(digits: string): boolean {
    const length = digits.length >>> 1;
    if (digits.length % 2 !== 0) return false;
    this.#reserve(length);
    const start = this.#at - length;
    const bytes = this.#bytes;
    for (let index = 0; index < length; index++) {
      const high = nibble(digits.charCodeAt(2 * index));
      const low = nibble(digits.charCodeAt(2 * index + 1));
      if (high < 0 || low < 0) return false;
      bytes[start + index] = (high << 4) | low;
    }
    this.#at = start;
    this.varint(length);
    return true;
  }

  #reserve(sizeBytes: number): void {
    if (this.#at >= sizeBytes) return;
    const written = this.sizeBytes;
    const larger = Buffer.allocUnsafeSlow(2 * this.#bytes.length + sizeBytes);
    this.#bytes.copy(larger, larger.length - written, this.#at);
    this.#bytes = larger;
    this.#at = larger.length - written;
  }
}

function nibble(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 && code > 0x40 ? lower - 0x57 : -1;
}
