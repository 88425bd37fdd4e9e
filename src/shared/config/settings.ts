import { z } from 'zod';
import {
  DURATION_SETTING_FORMS,
  POSITIVE_DURATION_FORMS,
  parseDurationMs,
  parsePositiveDurationMs,
  parseSizeBytes,
  SIZE_FORMS,
} from './units.ts';

/*
 * The kinds of settings with a unit or a range. Each takes a number as YAML gives it or text as the environment and
 * flags do, and says in `forms` what is accepted, for error messages and `docs/CONFIG.md`.
 */

interface TextOrNumber {
  readonly forms: string;
  readonly fallback: string | number;
  /** `undefined` when the text is not one of the forms. */
  readonly parse: (text: string) => number | undefined;
}

const textOrNumber = ({ forms, fallback, parse }: TextOrNumber) =>
  z
    .union([z.string(), z.number()])
    .default(fallback)
    .transform((value, context) => {
      const parsed = parse(String(value));
      if (parsed === undefined) context.addIssue({ code: 'custom', message: `expected ${forms}` });
      return parsed ?? z.NEVER;
    })
    .meta({ forms });

/** Bytes above 0. */
export const size = (fallback: string) =>
  textOrNumber({
    forms: `${SIZE_FORMS}; above 0`,
    fallback,
    parse: text => parseSizeBytes(text) || undefined,
  });

/** Milliseconds above 0. */
export const duration = (fallback: string) =>
  textOrNumber({
    forms: POSITIVE_DURATION_FORMS,
    fallback,
    parse: parsePositiveDurationMs,
  });

/** Milliseconds, where 0 switches something off. */
export const durationOrZero = (fallback: string) =>
  textOrNumber({ forms: DURATION_SETTING_FORMS, fallback, parse: parseDurationMs });

const MAX_TIMER_MS = 3_600_000;

/** Milliseconds that a timer runs: a timer of Node's beyond 24 days would fire at once. */
export const timer = (fallback: string) =>
  textOrNumber({
    forms: `${POSITIVE_DURATION_FORMS}; at most 1h`,
    fallback,
    parse: text => {
      const ms = parsePositiveDurationMs(text);
      return ms !== undefined && ms <= MAX_TIMER_MS ? ms : undefined;
    },
  });

interface WholeNumber {
  readonly min: number;
  readonly max: number;
  readonly fallback: number;
}

export const wholeNumber = ({ min, max, fallback }: WholeNumber) =>
  textOrNumber({
    forms: `a whole number from ${min} to ${max}`,
    fallback,
    parse: text => {
      const number = /^\d{1,10}$/.test(text) ? Number(text) : -1;
      return number >= min && number <= max ? number : undefined;
    },
  });

/** A switch; text as the environment and flags give it. */
export const yesNo = (fallback: boolean) =>
  z
    .union([z.boolean(), z.enum(['true', 'false'])])
    .default(fallback)
    .transform(value => value === true || value === 'true')
    .meta({ forms: 'true or false' });

/** `host` decides who can connect: there is no authentication yet, so the default is this machine only. */
export const listener = (fallbackPort: number, what: string) =>
  z
    .strictObject({
      host: z
        .string()
        .min(1)
        .default('127.0.0.1')
        .meta({ forms: 'a host name or address' })
        .describe(`Address the ${what} listens on.`),
      port: wholeNumber({ min: 0, max: 65_535, fallback: fallbackPort }).describe(
        `Port of the ${what}; 0 takes any free one.`,
      ),
    })
    .prefault({});
