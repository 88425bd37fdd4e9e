import type { Content, Header, Reference, Response, Schema } from './openapi.ts';
import { count, described, listOf, type Members, number, object, schemaRef, text } from './schema.ts';

/** What every answer says besides its own members. */
const partial = described({ type: 'boolean' }, 'Whether shards are missing.');
const shards = schemaRef('Completeness');
const explain = schemaRef('Explain');
/** What an answer says that is not exact. */
const exact = described({ type: 'boolean', const: false }, 'There when members are not exact.');
const inexact = described(listOf(schemaRef('InexactField')), 'Which they are; there with exact.');

export const ANSWER_SCHEMAS = {
  Completeness: described(
    object({
      total: count,
      ok: count,
      failed: listOf(object({ id: text, reason: text, elapsed_ms: number })),
    }),
    'Which shards the answer contains.',
  ),
  Explain: described(
    object({
      total_ms: number,
      waited_ms: described(number, 'Until the query had its turn.'),
      merge_ms: number,
      rounds: count,
      shards: listOf(
        object({
          id: text,
          calls: count,
          queue_ms: number,
          connect_ms: number,
          first_byte_ms: number,
          transfer_ms: number,
          rows: count,
          bytes: count,
        }),
      ),
    }),
    'What the read cost; there when it was asked for.',
  ),
  InexactField: described(
    object({
      field: described(text, 'A member of the answer, with dots between names: traces.p95_ms.'),
      reason: described(text, 'Why, with the shard and the setting.'),
    }),
    'A member that was computed from a part of the rows of a tael-server, or by itself.',
  ),
  Error: object(
    { error: described(text, 'What is wrong, with the name, the value and what is accepted.') },
    { partial, shards, explain },
  ),
} satisfies Readonly<Record<string, Schema>>;

export const HEADERS = {
  'Otelfan-Partial': {
    description: 'Shards are missing. After a streamed answer it is a trailer.',
    schema: { type: 'string', const: 'true' },
  },
  'Otelfan-Missing-Shards': {
    description: 'Their ids, with commas. After a streamed answer it is a trailer.',
    schema: text,
  },
  'Retry-After': { description: 'Seconds.', schema: text },
} satisfies Readonly<Record<string, Header>>;

const COMPLETENESS_HEADERS = headerRefs('Otelfan-Partial', 'Otelfan-Missing-Shards');

/** Errors by the names that answers refer to them by. */
export const ERROR_RESPONSES = {
  BadRequest: errorResponse('A parameter, an id or the body is not in an accepted form.'),
  NotFound: errorResponse('Every shard answered, and none has it.'),
  Gone: errorResponse('The rows that the cursor shows cannot be read any more.', COMPLETENESS_HEADERS),
  TimedOut: errorResponse('The body did not arrive in time.'),
  TooLarge: errorResponse(
    'The answer, what it is computed from, or the body is larger than the bound it names.',
  ),
  UnsupportedMediaType: errorResponse('The body is of a type, or in a coding, that is not taken.'),
  KeyReused: errorResponse('Something else was written with the same Idempotency-Key.'),
  Unavailable: errorResponse(
    'No shard answered; or shards are missing and what was asked for was not found, or partial=false was given; or ' +
      'too much is asked at once. For a write: its owner did not confirm it, and the error says whether it may be stored.',
    { ...COMPLETENESS_HEADERS, ...headerRefs('Retry-After') },
  ),
  InternalError: errorResponse('A bug; the log of the proxy explains it.'),
} satisfies Readonly<Record<string, Response>>;

const STATUSES = {
  BadRequest: '400',
  NotFound: '404',
  TimedOut: '408',
  Gone: '410',
  TooLarge: '413',
  UnsupportedMediaType: '415',
  KeyReused: '422',
  Unavailable: '503',
  InternalError: '500',
} as const satisfies Readonly<Record<keyof typeof ERROR_RESPONSES, string>>;

type ErrorName = keyof typeof ERROR_RESPONSES;

/** Responses of an operation that can fail so; a bug is always possible. */
export function errors(...names: readonly ErrorName[]): Readonly<Record<string, Reference>> {
  return Object.fromEntries(
    [...names, 'InternalError' as const].map(name => [
      STATUSES[name],
      { $ref: `#/components/responses/${name}` },
    ]),
  );
}

/** 200 with these members, and those that every answer has. */
export function completeAnswer(description: string, members: Members, optional: Members = {}): Response {
  return {
    description,
    headers: COMPLETENESS_HEADERS,
    content: json(object({ ...members, partial, shards }, { ...optional, exact, inexact, explain })),
  };
}

/** 201 of a write, which one shard answers. */
export function created(description: string, members: Members): Response {
  return { description, content: json(object(members)) };
}

export const OF_EVERY_WRITE = [
  'BadRequest',
  'TimedOut',
  'TooLarge',
  'UnsupportedMediaType',
  'Unavailable',
] as const;

export function json(schema: Schema): Content {
  return { 'application/json': { schema } };
}

function errorResponse(description: string, headers?: Response['headers']): Response {
  return { description, ...(headers !== undefined && { headers }), content: json(schemaRef('Error')) };
}

function headerRefs(...names: readonly (keyof typeof HEADERS)[]): Readonly<Record<string, Reference>> {
  return Object.fromEntries(names.map(name => [name, { $ref: `#/components/headers/${name}` }]));
}
