import { type AnyValue, toBigInt } from './otlp.ts';

/** Which member of the oneof is set, or `nothing`. */
export function kindOf(value: AnyValue): string {
  return Object.keys(value)[0] ?? 'nothing';
}

/** A scalar as the read API prints it (contract §2.2); `undefined` for arrays, maps, bytes and empty values. */
export function scalarText(value: AnyValue | null): string | undefined {
  if (value === null) return undefined;
  switch (kindOf(value)) {
    case 'stringValue':
      return value.stringValue;
    case 'boolValue':
      return String(value.boolValue);
    case 'intValue':
      return toBigInt(value.intValue).toString();
    case 'doubleValue':
      return doubleText(value.doubleValue);
    default:
      return undefined;
  }
}

/**
 * A scalar as the stored `attributes` hold it: bare when its text alone tells its type, else the text as a string.
 * `undefined` for what {@link scalarText} has no text for.
 */
export function scalarJson(value: AnyValue | null): string | undefined {
  const text = scalarText(value);
  return text === undefined || value === null || isBare(value) ? text : JSON.stringify(text);
}

/** Whether {@link scalarJson} holds all of a value. */
export function isToldByJson(value: AnyValue | null): boolean {
  return value !== null && (kindOf(value) === 'stringValue' || isBare(value));
}

/** Doubles only where every JSON reader shows the same text again: with a point and without an exponent. */
function isBare(value: AnyValue): boolean {
  switch (kindOf(value)) {
    case 'boolValue':
    case 'intValue':
      return true;
    case 'doubleValue':
      return /^-?\d+\.\d+$/.test(String(value.doubleValue));
    default:
      return false;
  }
}

/** The shortest decimal that reads back as the same double, never with an exponent. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0';
  const text = String(value);
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  return match === null ? text : withoutExponent(match);
}

/** `d.ddd` times ten to the exponent; JavaScript uses this form from 1e21 up and below 1e-6. */
function withoutExponent([
  ,
  sign = '',
  whole = '',
  fraction = '',
  exponentText = '',
]: RegExpExecArray): string {
  const digits = whole + fraction;
  const exponent = Number(exponentText);
  return exponent < 0
    ? `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
    : `${sign}${digits.padEnd(exponent + 1, '0')}`;
}
