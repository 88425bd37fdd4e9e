import { POSITIVE_DURATION_FORMS } from '../../shared/config/units.ts';
import { SEVERITIES, SPAN_STATUSES } from '../../shared/read/contract.ts';
import { DURATION_FORMS } from '../../shared/time.ts';
import { runIdParam } from '../evals/run-id.ts';
import { commentedTraceParam, flag, traceIdParam } from '../params.ts';
import {
  headerParameter,
  type Parameter,
  parameter,
  pathParameter,
  type Reference,
  type Schema,
} from './openapi.ts';
import { hex, oneOf, text } from './schema.ts';

export const TRACE_ID: Schema = { type: 'string', pattern: '^[0-9a-fA-F]{32}$' };
export const COMMENTED_ID: Schema = { type: 'string', pattern: '^[A-Za-z0-9._:-]{1,128}$' };
export const WINDOW: Schema = { type: 'string', pattern: '^\\+?\\d{1,19}[smhd]?$' };
export const RUN_ID: Schema = { type: 'string', minLength: 1, maxLength: 512 };
const FLAG = oneOf(['true', 'false', '1', '0']);

/** Parameters that several operations have, by the names that {@link shared} refers to. */
export const PARAMETERS = {
  timeout: parameter('timeout', {
    description: `Waits less than query.timeout: ${POSITIVE_DURATION_FORMS}.`,
    schema: { type: 'string', pattern: '^\\d{1,12} ?(ms|s|m|h|d)$' },
    example: '5s',
  }),
  partial: parameter('partial', {
    description: `False for an answer from all shards or 503: ${flag.accepts}.`,
    schema: FLAG,
    example: 'false',
  }),
  explain: parameter('explain', {
    description: `Says where the time went, in the member explain: ${flag.accepts}.`,
    schema: FLAG,
    example: '1',
  }),
  service: parameter('service', { description: 'Exact name.', schema: text, example: 'checkout' }),
  last: parameter('last', {
    description: `A window that ends now, everything without it: ${DURATION_FORMS}. At most query.maxWindow.`,
    schema: WINDOW,
    example: '1h',
  }),
  limit: parameter('limit', {
    description: 'Most rows: 0 to query.maxRows. Default 100, of metrics 500, of comments 1000.',
    schema: { type: 'integer', minimum: 0 },
    example: 10,
  }),
  cursor: parameter('cursor', {
    description:
      'The next_cursor of the page before. From page to page only limit, timeout, partial and explain may change.',
    schema: text,
  }),
  status: parameter('status', {
    description: 'In any case.',
    schema: oneOf(SPAN_STATUSES),
    example: 'error',
  }),
  severity: parameter('severity', {
    description: 'In any case.',
    schema: oneOf(SEVERITIES),
    example: 'error',
  }),
  text: parameter('text', {
    description:
      'Words that must all be there, whole, in any case and order; between double quotes in that order. No word ' +
      'matches nothing. Of spans: in the prompts and completions of one trace; of logs: in the body.',
    schema: text,
    example: 'declined',
  }),
  idempotencyKey: headerParameter('Idempotency-Key', {
    description:
      'Names the write for its client: repeated with the same key and body it is stored once and answered as before. ' +
      'Up to 255 visible ASCII characters, in double quotes or bare.',
    schema: text,
    example: '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
  }),
  traceId: pathParameter('trace_id', {
    description: `${traceIdParam.accepts}, in any case.`,
    schema: TRACE_ID,
    example: '5b8efff798038103d269b633813fc60c',
  }),
  commentedId: pathParameter('trace_id', {
    description: `${commentedTraceParam.accepts}: comments are written on other things than traces, too.`,
    schema: COMMENTED_ID,
    example: '5b8efff798038103d269b633813fc60c',
  }),
  runId: pathParameter('run_id', {
    description: `${runIdParam.accepts}.`,
    schema: RUN_ID,
    example: 'nightly-42',
  }),
  sha256: pathParameter('sha256', {
    description: 'SHA-256 of the bytes.',
    schema: hex(64),
    example: 'a5e458b386f2704c1f9bcedf10734efcf85346a707dfe5dce5abc7eeaff2a1df',
  }),
} satisfies Readonly<Record<string, Parameter>>;

type Shared = keyof typeof PARAMETERS;

export function shared(...names: readonly Shared[]): readonly Reference[] {
  return names.map(name => ({ $ref: `#/components/parameters/${name}` }));
}

/** How long to wait, whether an incomplete answer will do, and whether to tell its cost. */
export const OF_EVERY_READ = ['timeout', 'partial', 'explain'] as const satisfies readonly Shared[];
