import { completeAnswer, errors } from './answers.ts';
import { type Area, parameter } from './openapi.ts';
import { shared } from './parameters.ts';
import { anyObject, count, described, listOf, text } from './schema.ts';

export const sql: Area = {
  paths: {
    '/api/v1/sql': {
      get: {
        operationId: 'querySql',
        tags: ['sql'],
        summary: 'What one shard says to a SELECT',
        description:
          'Over what that shard holds, not over the whole. What the shard finds wrong is a 400 in its words.',
        parameters: [
          parameter('q', {
            required: true,
            description: 'One SELECT over the views spans, logs, metrics, trace_comments and sources.',
            schema: { type: 'string', minLength: 1 },
            example: 'SELECT count(*) AS spans FROM spans',
          }),
          parameter('shard', {
            description: 'The id of the shard; needed where there are several.',
            schema: text,
            example: 's1',
          }),
          ...shared('timeout'),
        ],
        responses: {
          '200': completeAnswer('The rows, in the order of the query; integers are written in full.', {
            rows: listOf(described(anyObject, 'By column: null, booleans, numbers, and the rest as text.')),
            count,
            truncated: described({ type: 'boolean' }, 'There were more rows than shard.sql.maxRows.'),
          }),
          ...errors('BadRequest', 'Unavailable'),
        },
      },
    },
  },
};
