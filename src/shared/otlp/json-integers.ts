/** An integer of 64 bits in two unsigned halves of 32, two's complement when negative. */
export interface Integer64 {
  readonly low: number;
  readonly high: number;
}

/** What a field holds. */
export interface IntegerRange {
  readonly isSigned: boolean;
  readonly bits: 32 | 64;
  /** For whoever sent something else. */
  readonly text: string;
}

function rangeOf(isSigned: boolean, bits: 32 | 64): IntegerRange {
  const width = BigInt(bits);
  const [min, max] = isSigned ? [-(2n ** (width - 1n)), 2n ** (width - 1n) - 1n] : [0n, 2n ** width - 1n];
  return { isSigned, bits, text: `an integer from ${min} to ${max}` };
}

export const INT32 = rangeOf(true, 32);
export const UINT32 = rangeOf(false, 32);
export const INT64 = rangeOf(true, 64);
export const UINT64 = rangeOf(false, 64);

const TWO_32 = 2 ** 32;
const SIGN_BIT = 2 ** 31;

/** An integer written as a number or in digits; `undefined` when it is none or out of range. */
export function readInteger(value: unknown, range: IntegerRange): Integer64 | undefined {
  const signed =
    typeof value === 'number'
      ? splitNumber(value)
      : typeof value === 'string'
        ? splitDigits(value)
        : undefined;
  if (signed === undefined) return undefined;
  const { low, high, isNegative } = signed;
  if (range.bits === 32 && high !== 0) return undefined;
  const top = range.bits === 32 ? low : high;
  const rest = range.bits === 32 ? 0 : low;
  if (!isNegative) return range.isSigned && top >= SIGN_BIT ? undefined : signed;
  if (low === 0 && high === 0) return signed;
  if (!range.isSigned || top > SIGN_BIT || (top === SIGN_BIT && rest > 0)) return undefined;
  return { low: -low >>> 0, high: (low === 0 ? -high : ~high) >>> 0 };
}

/** The magnitude of an integer, and its sign. */
interface Split extends Integer64 {
  readonly isNegative: boolean;
}

function splitNumber(value: number): Split | undefined {
  const magnitude = Math.abs(value);
  if (!Number.isInteger(value) || magnitude >= TWO_32 * TWO_32) return undefined;
  return { low: magnitude % TWO_32, high: Math.floor(magnitude / TWO_32), isNegative: value < 0 };
}

/** At most 20 digits; a BigInt would cost five times as much. */
function splitDigits(text: string): Split | undefined {
  const isNegative = text.charCodeAt(0) === 0x2d;
  const start = isNegative ? 1 : 0;
  const digits = text.length - start;
  if (digits < 1 || digits > 20) return undefined;
  // Two parts of at most 11 and 9 digits, which doubles hold exactly.
  const split = Math.max(start, text.length - 9);
  let upper = 0;
  let lower = 0;
  for (let index = start; index < text.length; index++) {
    const digit = text.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    if (index < split) upper = upper * 10 + digit;
    else lower = lower * 10 + digit;
  }
  // upper · 10^9 + lower, with upper cut at 20 bits so that every product stays below 2^53.
  const upperHigh = Math.floor(upper / 2 ** 20) * 1e9;
  const rest = (upper % 2 ** 20) * 1e9 + lower;
  const low = (upperHigh % 4096) * 2 ** 20 + (rest % TWO_32);
  const high = Math.floor(upperHigh / 4096) + Math.floor(rest / TWO_32) + Math.floor(low / TWO_32);
  return high < TWO_32 ? { low: low % TWO_32, high, isNegative } : undefined;
}
