import { isUtf8 } from 'node:buffer';
import { MalformedProtobufError } from '../../shared/otlp/wire-reader.ts';
import { type Arena, viewOf } from '../store/arena.ts';

/** `\u00xx`: what one byte can become at most. */
const LONGEST_ESCAPE = 6;
/** Of a string, in bytes. */
const QUOTES = 2;

/** Of what a double holds exactly. */
const MOST_DIGITS = 16;
const BILLION = 1e9;
const TWO_TO_16 = 2 ** 16;
const TWO_TO_31 = 2 ** 31;
const TWO_TO_32 = 2 ** 32;
/** High halves from here on belong to integers of more than 53 bits. */
const EXACT_HIGH = 2 ** 21;

const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const ZERO = 0x30;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether a byte is written as it is. */
const IS_PLAIN = Array.from(
  { length: 256 },
  (_, byte) => byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH,
);

/** The same byte, four times. */
const EACH = 0x0101_0101;
const HIGH_BITS = 0x80 * EACH;

/**
 * Writes JSON from pieces of a protobuf request into an arena: the strings of attributes never become strings of
 * JavaScript, which costs more than everything else that is done to them.
 */
export class JsonBytes {
  readonly arena: Arena;
  readonly #request: Buffer;
  readonly #view: DataView;

  constructor(arena: Arena, request: Buffer) {
    this.arena = arena;
    this.#request = request;
    this.#view = viewOf(request);
  }

  /** One ASCII character. */
  byte(code: number): void {
    const { arena } = this;
    arena.reserve(1);
    arena.bytes[arena.sizeBytes++] = code;
  }

  /** ASCII characters. */
  ascii(text: string): void {
    const { arena } = this;
    arena.reserve(text.length);
    const { bytes } = arena;
    for (let index = 0; index < text.length; index++) bytes[arena.sizeBytes++] = text.charCodeAt(index);
  }

  /** The name of a member and the colon, after a comma unless it is the first. */
  name(start: number, end: number, isFirst: boolean): void {
    if (!isFirst) this.byte(COMMA);
    this.string(start, end);
    this.byte(COLON);
  }

  /** The UTF-8 string in `[start, end)` of the request, quoted and escaped as `JSON.stringify` does. */
  string(start: number, end: number): void {
    const { arena } = this;
    const request = this.#request;
    // Most texts have nothing to escape, and six times the room of a long one is a lot.
    arena.reserve(end - start + QUOTES);
    let { bytes, view } = arena;
    let to = arena.sizeBytes;
    let seen = 0;
    bytes[to++] = QUOTE;
    for (let at = start; at < end; ) {
      if (at + 4 <= end) {
        const four = this.#view.getInt32(at, true);
        if (arePlain(four)) {
          view.setInt32(to, four, true);
          seen |= four;
          at += 4;
          to += 4;
          continue;
        }
      }
      const byte = request[at++] as number;
      if (IS_PLAIN[byte]) {
        bytes[to++] = byte;
        // To the highest of the four bits.
        seen |= byte << 24;
      } else {
        arena.sizeBytes = to;
        arena.reserve(LONGEST_ESCAPE + (end - at) + QUOTES);
        ({ bytes, view } = arena);
        to = writeEscaped(bytes, to, byte);
      }
    }
    bytes[to++] = QUOTE;
    arena.sizeBytes = to;
    if ((seen & HIGH_BITS) !== 0 && !isUtf8(request.subarray(start, end))) {
      throw new MalformedProtobufError('string is not UTF-8', start);
    }
  }

  /** An unsigned integer, exact up to 2^53. */
  integer(value: number): void {
    const { arena } = this;
    arena.reserve(MOST_DIGITS);
    const { bytes } = arena;
    let end = arena.sizeBytes + 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) end++;
    let at = end;
    let rest = value;
    do {
      const tens = Math.floor(rest / 10);
      bytes[--at] = ZERO + rest - 10 * tens;
      rest = tens;
    } while (rest > 0);
    arena.sizeBytes = end;
  }

  /** An integer of 64 bits, unsigned, given as the unsigned halves of it. */
  unsigned64(high: number, low: number): void {
    if (high < EXACT_HIGH) {
      this.integer(high * TWO_TO_32 + low);
      return;
    }
    // Divided as by hand, the lower half sixteen bits at a time: no step is beyond what a double holds.
    const first = Math.floor(high / BILLION);
    const secondDividend = (high - first * BILLION) * TWO_TO_16 + (low >>> 16);
    const second = Math.floor(secondDividend / BILLION);
    const thirdDividend = (secondDividend - second * BILLION) * TWO_TO_16 + (low & 0xffff);
    const third = Math.floor(thirdDividend / BILLION);
    this.integer(first * TWO_TO_32 + second * TWO_TO_16 + third);
    this.#nineDigits(thirdDividend - third * BILLION);
  }

  /** The same with a sign. */
  signed64(high: number, low: number): void {
    if (high < TWO_TO_31) {
      this.unsigned64(high, low);
      return;
    }
    this.byte(MINUS);
    if (low === 0) this.unsigned64(TWO_TO_32 - high, 0);
    else this.unsigned64(TWO_TO_32 - 1 - high, TWO_TO_32 - low);
  }

  #nineDigits(value: number): void {
    const { arena } = this;
    arena.reserve(9);
    let rest = value;
    for (let at = arena.sizeBytes + 8; at >= arena.sizeBytes; at--) {
      const tens = Math.floor(rest / 10);
      arena.bytes[at] = ZERO + rest - 10 * tens;
      rest = tens;
    }
    arena.sizeBytes += 9;
  }

  /** A double as OTLP/JSON has it: what no JSON number can carry is a string. */
  double(value: number): void {
    if (Object.is(value, -0)) this.ascii('"-0"');
    else this.ascii(Number.isFinite(value) ? String(value) : `"${value}"`);
  }
}

/** False when one of four bytes is escaped; it may be when none is. */
function arePlain(four: number): boolean {
  const quotes = four ^ (QUOTE * EACH);
  const backslashes = four ^ (BACKSLASH * EACH);
  // A byte that is less than what is taken away borrows, and has its highest bit set then, which it had not before.
  const borrowed =
    ((four - 0x20 * EACH) & ~four) | ((quotes - EACH) & ~quotes) | ((backslashes - EACH) & ~backslashes);
  return (borrowed & HIGH_BITS) === 0;
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
