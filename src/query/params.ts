import { POSITIVE_DURATION_FORMS, parseDurationMs } from '../shared/config/units.ts';
import { DURATION_FORMS, parseWindowNanos } from '../shared/time.ts';

/** Reads one parameter's text; `undefined` when it is not in the accepted form. */
export interface Param<T> {
  readonly accepts: string;
  readonly decode: (text: string) => T | undefined;
}

type ParamTable = Readonly<Record<string, Param<unknown>>>;
type Values<P extends ParamTable> = { readonly [K in keyof P]?: P[K] extends Param<infer T> ? T : never };

export type ParsedParams<P extends ParamTable> =
  | { readonly kind: 'params'; readonly values: Values<P> }
  | { readonly kind: 'bad'; readonly error: string };

/**
 * Reads the parameters of a table. Each may be given once, an absent one is an absent member, and parameters that
 * the table does not name are ignored. The error names the parameter, the value and what is accepted.
 */
export function parseParams<P extends ParamTable>(search: URLSearchParams, table: P): ParsedParams<P> {
  const values: Record<string, unknown> = {};
  for (const [name, param] of Object.entries(table)) {
    const [text, second] = search.getAll(name);
    if (second !== undefined) return bad(`parameter ${name} is given more than once, accepted is one value`);
    if (text === undefined) continue;
    const value = param.decode(text);
    if (value === undefined) return bad(badValue(name, text, param.accepts));
    values[name] = value;
  }
  return { kind: 'params', values: values as Values<P> };
}

const MAX_QUOTED_CHARS = 100;

export function badValue(name: string, text: string, accepts: string): string {
  return `bad ${name} ${JSON.stringify(text.slice(0, MAX_QUOTED_CHARS))}: expected ${accepts}`;
}

export function missingParam(name: string, accepts: string): string {
  return `parameter ${name} is missing: expected ${accepts}`;
}

function bad(error: string) {
  return { kind: 'bad', error } as const;
}

export const anyText: Param<string> = { accepts: 'any text', decode: text => text };

/** One of the words, in any case. */
export function word<const W extends string>(words: readonly W[]): Param<W> {
  return {
    accepts: `one of ${words.join(', ')}`,
    decode: text => words.find(accepted => accepted === text.toLowerCase()),
  };
}

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
  ['1', true],
  ['0', false],
]);

export const flag: Param<boolean> = {
  accepts: 'true or false, or 1 or 0',
  decode: text => FLAGS.get(text.toLowerCase()),
};

/** Trace ids come in any case and are stored in lower case. */
export const traceIdParam: Param<string> = {
  accepts: '32 hex digits',
  decode: text => (/^[0-9a-f]{32}$/i.test(text) ? text.toLowerCase() : undefined),
};

/** Ids of traces in any case, and whatever else comments were written on. */
export const commentedTraceParam: Param<string> = {
  accepts: '1 to 128 of A-Z a-z 0-9 . _ : -',
  decode: text => {
    if (!/^[A-Za-z0-9._:-]{1,128}$/.test(text)) return undefined;
    return traceIdParam.decode(text) ?? text;
  },
};

/** The length of a window in nanoseconds. */
export const windowNanos: Param<bigint> = { accepts: DURATION_FORMS, decode: parseWindowNanos };

/** The start of a window that ends now. */
export function startOf(windowNs: bigint, nowNs: bigint): string {
  return String(windowNs < nowNs ? nowNs - windowNs : 0n);
}

/** The start of the window that ends now, in nanoseconds. */
export function windowStart(nowNs: bigint): Param<string> {
  return {
    accepts: DURATION_FORMS,
    decode: text => {
      const window = parseWindowNanos(text);
      return window === undefined ? undefined : startOf(window, nowNs);
    },
  };
}

export function rowLimit(maxRows: number): Param<number> {
  return {
    accepts: `a whole number from 0 to ${maxRows} (query.maxRows)`,
    decode: text => (/^\d{1,15}$/.test(text) && Number(text) <= maxRows ? Number(text) : undefined),
  };
}

export const timeoutMs: Param<number> = {
  accepts: POSITIVE_DURATION_FORMS,
  decode: text => parseDurationMs(text) || undefined,
};

/** `ceiling` for a lower bound and `floor` for an upper one keep the bound exact in whole nanoseconds. */
export function milliseconds(rounding: 'ceiling' | 'floor'): Param<string> {
  return {
    accepts: 'a number of milliseconds (250, 1.5)',
    decode: text => {
      const decimal = /^([+-]?)(\d{0,30})(?:\.(\d{0,30}))?(?:e([+-]?\d{1,2}))?$/i.exec(text);
      if (decimal === null) return undefined;
      const [, sign = '', whole = '', fraction = '', exponent = '0'] = decimal;
      if (whole === '' && fraction === '') return undefined;
      const units = BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n);
      return clamp(scale(units, Number(exponent) - fraction.length + NANO_DIGITS, rounding)).toString();
    },
  };
}

/** A millisecond is 10^6 nanoseconds. */
const NANO_DIGITS = 6;
/** No duration between two unsigned 64-bit times reaches it. */
const BEYOND_DURATIONS = 10n ** 20n;

function scale(value: bigint, exponent: number, rounding: 'ceiling' | 'floor'): bigint {
  if (exponent >= 0) return value * 10n ** BigInt(exponent);
  const divisor = 10n ** BigInt(-exponent);
  const quotient = value / divisor;
  if (quotient * divisor === value) return quotient;
  if (rounding === 'ceiling') return value > 0n ? quotient + 1n : quotient;
  return value < 0n ? quotient - 1n : quotient;
}

function clamp(nanos: bigint): bigint {
  if (nanos > BEYOND_DURATIONS) return BEYOND_DURATIONS;
  return nanos < -BEYOND_DURATIONS ? -BEYOND_DURATIONS : nanos;
}
