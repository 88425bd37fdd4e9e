import { completeAnswer, created, errors, OF_EVERY_WRITE } from './answers.ts';
import { type Area, jsonBody } from './openapi.ts';
import { COMMENTED_ID, OF_EVERY_READ, shared } from './parameters.ts';
import { count, described, listOf, object, orNull, schemaRef, text, textOrNull, time } from './schema.ts';

export const comments: Area = {
  paths: {
    '/api/v1/comments': {
      get: {
        operationId: 'getComments',
        tags: ['comments'],
        summary: 'Comments on any trace, newest first',
        parameters: shared('limit', 'cursor', ...OF_EVERY_READ),
        responses: {
          '200': completeAnswer(
            'The comments.',
            { comments: listOf(schemaRef('Comment')), count },
            { next_cursor: text },
          ),
          ...errors('BadRequest', 'Gone', 'TooLarge', 'Unavailable'),
        },
      },
    },
    '/api/v1/traces/{trace_id}/comments': {
      get: {
        operationId: 'getTraceComments',
        tags: ['comments'],
        summary: 'Every comment on a trace, oldest first',
        parameters: shared('commentedId', ...OF_EVERY_READ),
        responses: {
          '200': completeAnswer('The comments.', { comments: listOf(schemaRef('Comment')), count }),
          ...errors('BadRequest', 'TooLarge', 'Unavailable'),
        },
      },
      post: {
        operationId: 'addComment',
        tags: ['comments'],
        summary: 'Add a comment; the trace need not exist',
        parameters: shared('commentedId', 'idempotencyKey'),
        requestBody: jsonBody(
          object(
            { body: text },
            {
              author: described(textOrNull, 'Default anonymous.'),
              span_id: orNull(COMMENTED_ID),
            },
          ),
          { body: 'the bank was down', author: 'alice', span_id: 'eee19b7ec3c1b174' },
        ),
        responses: {
          '201': created('The comment, durable.', { comment: schemaRef('Comment') }),
          ...errors(...OF_EVERY_WRITE, 'KeyReused'),
        },
      },
    },
  },
  schemas: {
    Comment: object({
      id: text,
      trace_id: text,
      span_id: textOrNull,
      author: text,
      body: text,
      created_at: time,
    }),
  },
};
