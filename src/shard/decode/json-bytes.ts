import { isUtf8 } from 'node:buffer';
import { MalformedProtobufError } from '../../shared/otlp/wire-reader.ts';

const INITIAL_BYTES = 16 * 1024;
/** A larger buffer is not kept for the next text. */
const KEPT_BYTES = 1024 * 1024;
/** `\u00xx`: what one byte can become at most. */
const LONGEST_ESCAPE = 6;

/** Of 32 bits. */
const MOST_DIGITS = 10;

const ZERO = 0x30;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Writes a JSON text from pieces of a protobuf request, byte by byte: the strings of attributes never become strings
 * of JavaScript one by one, which costs more than everything else that is done to them.
 */
export class JsonBytes {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #at = 0;
  #isAscii = true;

  get sizeBytes(): number {
    return this.#at;
  }

  reset(): void {
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.#at = 0;
    this.#isAscii = true;
  }

  /** What was written since the last reset. */
  text(): string {
    return this.#isAscii
      ? this.#bytes.toString('latin1', 0, this.#at)
      : this.#bytes.toString('utf8', 0, this.#at);
  }

  /** One ASCII character. */
  byte(code: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = code;
  }

  /** ASCII characters. */
  ascii(text: string): void {
    this.#reserve(text.length);
    for (let index = 0; index < text.length; index++) this.#bytes[this.#at++] = text.charCodeAt(index);
  }

  /** The UTF-8 string in `[start, end)` of the source, quoted and escaped as `JSON.stringify` does. */
  string(source: Uint8Array, start: number, end: number): void {
    this.#reserve(LONGEST_ESCAPE * (end - start) + 2);
    const bytes = this.#bytes;
    let at = this.#at;
    let isAscii = true;
    bytes[at++] = QUOTE;
    for (let index = start; index < end; index++) {
      const byte = source[index] as number;
      if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) {
        at = writeEscaped(bytes, at, byte);
        continue;
      }
      if (byte >= 0x80) isAscii = false;
      bytes[at++] = byte;
    }
    bytes[at++] = QUOTE;
    this.#at = at;
    if (isAscii) return;
    if (!isUtf8(source.subarray(start, end))) throw new MalformedProtobufError('string is not UTF-8', start);
    this.#isAscii = false;
  }

  /** An integer of at most 32 bits, unsigned. */
  integer(value: number): void {
    this.#reserve(MOST_DIGITS);
    const bytes = this.#bytes;
    let end = this.#at + 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) end++;
    let at = end;
    let rest = value;
    do {
      const tens = Math.floor(rest / 10);
      bytes[--at] = ZERO + rest - 10 * tens;
      rest = tens;
    } while (rest > 0);
    this.#at = end;
  }

  #reserve(sizeBytes: number): void {
    if (this.#bytes.length - this.#at >= sizeBytes) return;
    const larger = Buffer.allocUnsafeSlow(2 * this.#bytes.length + sizeBytes);
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

const SHORT_ESCAPES: Readonly<Record<number, string>> = {
  8: '\\b',
  9: '\\t',
  10: '\\n',
  12: '\\f',
  13: '\\r',
  [QUOTE]: '\\"',
  [BACKSLASH]: '\\\\',
};

function writeEscaped(bytes: Buffer, at: number, byte: number): number {
  return at + bytes.write(SHORT_ESCAPES[byte] ?? `\\u00${byte.toString(16).padStart(2, '0')}`, at, 'latin1');
}
