import { SPAN_STATUSES } from '../../shared/read/contract.ts';
import { completeAnswer, errors } from './answers.ts';
import { type Area, parameter } from './openapi.ts';
import { OF_EVERY_READ, shared } from './parameters.ts';
import { ATTRIBUTES, OTLP_REST } from './rows.ts';
import {
  count,
  described,
  hex,
  listOf,
  number,
  object,
  oneOf,
  orNull,
  schemaRef,
  text,
  time,
} from './schema.ts';

export const traces: Area = {
  paths: {
    '/api/v1/traces': {
      get: {
        operationId: 'getTraces',
        tags: ['traces'],
        summary: 'Spans that match, newest first',
        parameters: [
          ...shared('service'),
          parameter('operation', {
            description: 'Part of the span name, case-sensitive.',
            schema: text,
            example: 'pay',
          }),
          parameter('min_duration_ms', { description: 'Inclusive.', schema: number, example: 1.5 }),
          parameter('max_duration_ms', { description: 'Inclusive.', schema: number, example: 250 }),
          ...shared('status'),
          parameter('attribute', {
            description: 'key=value; may be repeated, and all must hold. Compares the text of the attribute.',
            schema: listOf(text),
            example: ['http.route=/pay', 'http.response.status_code=502'],
          }),
          ...shared('text', 'last', 'limit', 'cursor', ...OF_EVERY_READ),
        ],
        responses: {
          '200': completeAnswer(
            'Spans, not traces.',
            { spans: listOf(schemaRef('Span')) },
            { next_cursor: text },
          ),
          ...errors('BadRequest', 'Gone', 'TooLarge', 'Unavailable'),
        },
      },
    },
    '/api/v1/traces/{trace_id}': {
      get: {
        operationId: 'getTrace',
        tags: ['traces'],
        summary: 'Every span of one trace, oldest first',
        parameters: shared('traceId', ...OF_EVERY_READ),
        responses: {
          '200': completeAnswer('The trace.', {
            trace_id: hex(32),
            spans: listOf(schemaRef('Span')),
            span_count: count,
          }),
          ...errors('BadRequest', 'NotFound', 'TooLarge', 'Unavailable'),
        },
      },
    },
  },
  schemas: {
    Span: object(
      {
        trace_id: hex(32),
        span_id: hex(16),
        parent_span_id: orNull(hex(16)),
        service: text,
        operation: text,
        start_time: time,
        end_time: time,
        duration_ms: number,
        status: oneOf(SPAN_STATUSES),
        attributes: ATTRIBUTES,
        events: listOf(schemaRef('SpanEvent')),
        kind: oneOf(['internal', 'server', 'client', 'producer', 'consumer', 'llm']),
        ...OTLP_REST,
      },
      { llm: schemaRef('LlmCall') },
    ),
    SpanEvent: object({ name: text, timestamp: time, attributes: ATTRIBUTES }),
    LlmCall: described(
      object(
        {
          provider: text,
          model: text,
          operation: oneOf(['chat', 'completion', 'embedding', 'tool', 'other']),
        },
        {
          input_tokens: count,
          output_tokens: count,
          total_tokens: count,
          cost_usd: number,
          ttft_ms: number,
          temperature: number,
          prompt_sha256: hex(64),
          completion_sha256: hex(64),
          finish_reason: text,
        },
      ),
      'A call of a language model. The hashes name blobs.',
    ),
  },
};
