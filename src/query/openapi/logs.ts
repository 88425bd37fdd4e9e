import { SEVERITIES } from '../../shared/read/contract.ts';
import { completeAnswer, errors } from './answers.ts';
import { type Area, parameter } from './openapi.ts';
import { OF_EVERY_READ, shared, TRACE_ID } from './parameters.ts';
import { ATTRIBUTES, OTLP_REST } from './rows.ts';
import { count, described, hex, listOf, object, oneOf, orNull, schemaRef, text, time } from './schema.ts';

export const logs: Area = {
  paths: {
    '/api/v1/logs': {
      get: {
        operationId: 'getLogs',
        tags: ['logs'],
        summary: 'Log records that match, newest first',
        parameters: [
          ...shared('service', 'severity'),
          parameter('body_contains', {
            description: 'Part of the body text, case-sensitive, however large the body is.',
            schema: text,
            example: 'card',
          }),
          ...shared('text'),
          parameter('trace_id', {
            description: 'In any case.',
            schema: TRACE_ID,
            example: '5b8efff798038103d269b633813fc60c',
          }),
          ...shared('last', 'limit', 'cursor', ...OF_EVERY_READ),
        ],
        responses: {
          '200': completeAnswer(
            'The log records.',
            { logs: listOf(schemaRef('LogRecord')), count },
            { next_cursor: text },
          ),
          ...errors('BadRequest', 'Gone', 'TooLarge', 'Unavailable'),
        },
      },
    },
  },
  schemas: {
    LogRecord: object(
      {
        timestamp: time,
        observed_timestamp: time,
        trace_id: orNull(hex(32)),
        span_id: orNull(hex(16)),
        severity: oneOf(SEVERITIES),
        severity_text: text,
        body: text,
        service: text,
        attributes: ATTRIBUTES,
        ...OTLP_REST,
      },
      { body_sha256: described(hex(64), 'The blob that holds a large body; body is empty then.') },
    ),
  },
};
