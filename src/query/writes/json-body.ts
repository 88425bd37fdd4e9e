import { z } from 'zod';
import { badValue, type Param } from '../params.ts';
import { type RefusedWrite, refused, type WriteRequest } from './write.ts';

type JsonBody<T> = { readonly kind: 'body'; readonly value: T } | RefusedWrite;

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json *(?:;|$)/i;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The members of a JSON object that the schema names; others are ignored, as clients send lines of their own files
 * (read API contract §5.3). Each schema's message is what the member accepts: `non-blank text`.
 */
export function parseJsonBody<T>({ contentType, body }: WriteRequest, schema: z.ZodType<T>): JsonBody<T> {
  if (contentType === undefined || !JSON_TYPE.test(contentType)) {
    return refused(`bad content-type ${quoted(contentType)}: expected application/json`, 415);
  }
  let json: unknown;
  try {
    json = JSON.parse(utf8.decode(body));
  } catch (error) {
    return refused(`the body is not JSON in UTF-8: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(json);
  return parsed.success ? { kind: 'body', value: parsed.data } : refused(explain(parsed.error, json));
}

function explain({ issues: [issue] }: z.ZodError, json: unknown): string {
  const name = issue?.path.join('.') ?? '';
  const accepts = issue?.message ?? '';
  if (name === '') return badValue('body', JSON.stringify(json), accepts);
  const value = (json as Readonly<Record<string, unknown>>)[name];
  return value === undefined
    ? `member ${name} is missing: expected ${accepts}`
    : badValue(name, typeof value === 'string' ? value : JSON.stringify(value), accepts);
}

function quoted(text: string | undefined): string {
  return text === undefined ? '(none)' : JSON.stringify(text.slice(0, 100));
}

/** Half of a surrogate pair is no character, and no UTF-8 could give it back. */
const TEXT = 'text without lone surrogates';
/** 31 years. */
const MAX_MS = 1e12;
const MILLISECONDS = `a number of milliseconds from 0 to ${MAX_MS}`;
const NON_BLANK = 'text that is not blank';

/** Members of bodies. An optional one may be `null`; an empty one is one that is not there. */
export const member = {
  object: <S extends z.ZodRawShape>(shape: S) => z.object(shape, 'a JSON object'),
  text: z.string(TEXT).refine(value => value.isWellFormed(), TEXT),
  nonBlank: z.string(NON_BLANK).refine(value => value.trim() !== '' && value.isWellFormed(), NON_BLANK),
  optionalText: z
    .string(TEXT)
    .refine(value => value.isWellFormed(), TEXT)
    .nullish()
    .transform(value => value || undefined),
  optionalCount: z
    .int('a whole number from 0')
    .min(0, 'a whole number from 0')
    .nullish()
    .transform(value => value ?? undefined),
  optionalMilliseconds: z
    .number(MILLISECONDS)
    .min(0, MILLISECONDS)
    .max(MAX_MS, MILLISECONDS)
    .nullish()
    .transform(value => value ?? undefined),
  finite: z.number('a number'),
} as const;

/** A text of a form that a parameter has, too. */
export function required<T>({ accepts, decode }: Param<T>) {
  return z.string(accepts).transform((text, context) => {
    const value = decode(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: accepts });
    return z.NEVER;
  });
}

export function decoded<T>(param: Param<T>) {
  return z.preprocess(
    value => (value === null || value === '' ? undefined : value),
    required(param).optional(),
  );
}
