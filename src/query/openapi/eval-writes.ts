import { SPAN_STATUSES } from '../../shared/read/contract.ts';
import { TIME_FORMS } from '../../shared/time.ts';
import { created, errors, OF_EVERY_WRITE } from './answers.ts';
import { type Area, jsonBody, type Schema } from './openapi.ts';
import { shared, TRACE_ID } from './parameters.ts';
import {
  countOrNull,
  described,
  number,
  object,
  oneOf,
  orNull,
  schemaRef,
  textOrNull,
  timeOrNull,
} from './schema.ts';

const nonBlank: Schema = { type: 'string', pattern: '\\S' };

export const evalWrites: Area = {
  paths: {
    '/api/v1/evals/scores': {
      post: {
        operationId: 'addScore',
        tags: ['evals'],
        summary: 'Add a score of a case',
        parameters: shared('idempotencyKey'),
        requestBody: jsonBody(
          object(
            { run_id: nonBlank, case_id: nonBlank, metric: nonBlank, value: number },
            {
              suite_id: textOrNull,
              trace_id: textOrNull,
              span_id: textOrNull,
              scorer: textOrNull,
              label: textOrNull,
              rationale_sha256: described(textOrNull, 'The blob that has the reasons.'),
              source: textOrNull,
            },
          ),
          {
            run_id: 'nightly-42',
            case_id: 'refund',
            metric: 'correctness',
            value: 1,
            suite_id: 'support',
            trace_id: '0af7651916cd43dd8448eb211c80319c',
            span_id: '00f067aa0ba902b7',
            scorer: 'judge',
            label: 'pass',
            rationale_sha256: 'a5e458b386f2704c1f9bcedf10734efcf85346a707dfe5dce5abc7eeaff2a1df',
            source: 'ci',
          },
        ),
        responses: {
          '201': created('The score, durable.', { score: schemaRef('Score') }),
          ...errors(...OF_EVERY_WRITE, 'KeyReused'),
        },
      },
    },
    '/api/v1/evals/runner-spans': {
      post: {
        operationId: 'putRunnerSpan',
        tags: ['evals'],
        summary: 'Add the span of a case that a runner ran, or replace the one of the same ids',
        parameters: shared('idempotencyKey'),
        requestBody: jsonBody(
          object(
            {
              suite_id: nonBlank,
              run_id: nonBlank,
              case_id: nonBlank,
              trace_id: TRACE_ID,
              span_id: { type: 'string', pattern: '^[0-9a-fA-F]{16}$' },
            },
            {
              case_index: countOrNull,
              case_count: countOrNull,
              code_version: textOrNull,
              status: { ...orNull(oneOf(SPAN_STATUSES)), enum: [...SPAN_STATUSES, null] },
              start_time: described(timeOrNull, `Default now: ${TIME_FORMS}.`),
              end_time: described(timeOrNull, 'Default start_time and duration_ms.'),
              duration_ms: { type: ['number', 'null'], minimum: 0, maximum: 1e12 },
            },
          ),
          {
            suite_id: 'support',
            run_id: 'nightly-42',
            case_id: 'refund',
            trace_id: '0af7651916cd43dd8448eb211c80319c',
            span_id: '00f067aa0ba902b7',
            case_index: 0,
            case_count: 1,
            code_version: 'v1.4.0',
            status: 'ok',
            start_time: '2026-11-23T21:35:00Z',
            end_time: '2026-11-23T21:35:02Z',
            duration_ms: 2000,
          },
        ),
        responses: {
          '201': created('The span, durable.', { span: schemaRef('Span') }),
          ...errors(...OF_EVERY_WRITE, 'KeyReused'),
        },
      },
    },
  },
};
