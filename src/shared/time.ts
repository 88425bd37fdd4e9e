/** Injected wherever time matters, so that tests own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/**
 * For pauses and durations: goes on evenly when somebody sets the time. Its milliseconds count from a moment that all
 * processes of a machine share, until it is started again.
 */
export const steadyClock: Clock = { now: () => Number(process.hrtime.bigint() / 1_000_000n) };

const NANOS_PER_SECOND = 1_000_000_000n;
/** 9999-12-31T23:59:59Z, the last second `Date` formats with a four-digit year. */
const LAST_SECOND = 253_402_300_799n;

/**
 * Nanoseconds since the epoch as the read API prints time: RFC 3339 in UTC with `Z` and the shortest lossless
 * fraction of 0, 3, 6 or 9 digits (read API contract §0.2, form 1).
 */
export function formatNanos(nanos: bigint): string {
  const second = nanos / NANOS_PER_SECOND;
  if (nanos < 0n || second > LAST_SECOND) return '1970-01-01T00:00:00Z';
  const whole = new Date(Number(second) * 1000).toISOString().slice(0, 19);
  const fraction = (nanos % NANOS_PER_SECOND).toString().padStart(9, '0');
  return `${whole}${shortestFraction(fraction)}Z`;
}

/** The same with `+00:00` for `Z`, as comments, correlation and evals have it (contract §0.2, form 2). */
export function formatNanosWithOffset(nanos: bigint): string {
  return withOffset(formatNanos(nanos));
}

/** Form 1 of the contract as form 2. */
export function withOffset(time: string): string {
  return `${time.slice(0, -1)}+00:00`;
}

const RFC_3339 =
  /^(\d{4}-\d\d-\d\d)[T ]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d+))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/i;
const MAX_UINT64 = 2n ** 64n - 1n;

export const TIME_FORMS = 'an RFC 3339 time from 1970 to 2554 (2026-11-23T21:35:03.042Z)';

/**
 * Nanoseconds since the epoch of one of {@link TIME_FORMS}, or `undefined`. Offsets of any hours and minutes are taken
 * and fractions of any length; digits beyond the ninth are dropped (read API contract §0.2).
 */
export function parseTimeNanos(text: string): bigint | undefined {
  const [match, date, time, fraction = '', sign, hours = '0', minutes = '0'] = RFC_3339.exec(text) ?? [];
  if (match === undefined) return undefined;
  const localMs = Date.parse(`${date}T${time}Z`);
  // Some engines take the 30th of February for the 2nd of March.
  if (Number.isNaN(localMs) || !new Date(localMs).toISOString().startsWith(date as string)) return undefined;
  const offsetSeconds = BigInt(Number(hours) * 3600 + Number(minutes) * 60) * (sign === '-' ? -1n : 1n);
  const seconds = BigInt(localMs / 1000) - offsetSeconds;
  return inUint64(seconds * NANOS_PER_SECOND + BigInt(fraction.slice(0, 9).padEnd(9, '0')));
}

/** The nanoseconds that {@link formatNanos} printed; `undefined` for any other text. */
export function parseNanos(text: string): bigint | undefined {
  const printed = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.((?:\d{3}){1,3}))?Z$/.exec(text);
  const ms = Date.parse(`${printed?.[1]}Z`);
  if (Number.isNaN(ms)) return undefined;
  return inUint64((BigInt(ms) / 1000n) * NANOS_PER_SECOND + BigInt((printed?.[2] ?? '').padEnd(9, '0')));
}

function inUint64(nanos: bigint): bigint | undefined {
  return nanos >= 0n && nanos <= MAX_UINT64 ? nanos : undefined;
}

function shortestFraction(nineDigits: string): string {
  if (nineDigits === '000000000') return '';
  if (nineDigits.endsWith('000000')) return `.${nineDigits.slice(0, 3)}`;
  if (nineDigits.endsWith('000')) return `.${nineDigits.slice(0, 6)}`;
  return `.${nineDigits}`;
}

const SECONDS_PER_UNIT = { '': 1n, s: 1n, m: 60n, h: 3600n, d: 86_400n } as const;
/** One thousand years; longer windows are a mistake, and the bound keeps `now - window` in range. */
const MAX_WINDOW_SECONDS = 1000n * 365n * 86_400n;

export const DURATION_FORMS = 'a whole number with s, m, h or d (15m, 24h), or bare seconds';

/**
 * A window such as `last=1h` in nanoseconds (read API contract §0.5), or `undefined` when it is not one of
 * {@link DURATION_FORMS}. Zero is a window; negative ones are not.
 */
export function parseWindowNanos(text: string): bigint | undefined {
  const match = /^\+?(\d{1,19})([smhd]?)$/.exec(text.trim());
  if (match === null) return undefined;
  const seconds = BigInt(match[1] as string) * SECONDS_PER_UNIT[match[2] as keyof typeof SECONDS_PER_UNIT];
  return seconds > MAX_WINDOW_SECONDS ? undefined : seconds * NANOS_PER_SECOND;
}
