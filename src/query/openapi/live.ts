import { errors } from './answers.ts';
import type { Area, Response, Schema } from './openapi.ts';
import { shared } from './parameters.ts';
import { listOf, schemaRef, text } from './schema.ts';

const FRAMING =
  'Server-Sent Events, what is stored from now on: after its commit, never for a repeat, without order across shards. ' +
  'Each event is one line of ASCII, data: and a JSON array of at least one row, and an empty line. The rest are ' +
  'comments: a bare colon after 15 seconds without an event, gap SHARD: REASON from where on a shard is missing, ' +
  'resumed SHARD where it is heard again, and dropped N where the client did not keep up. The stream never ends cleanly.';

export const live: Area = {
  paths: {
    '/api/v1/traces/live': {
      get: {
        operationId: 'followSpans',
        tags: ['traces'],
        summary: 'Spans as they are stored',
        description: FRAMING,
        parameters: shared('service', 'status'),
        responses: { '200': eventsOf(schemaRef('Span')), ...errors('BadRequest', 'Unavailable') },
      },
    },
    '/api/v1/logs/live': {
      get: {
        operationId: 'followLogs',
        tags: ['logs'],
        summary: 'Log records as they are stored',
        description: FRAMING,
        parameters: shared('service', 'severity'),
        responses: { '200': eventsOf(schemaRef('LogRecord')), ...errors('BadRequest', 'Unavailable') },
      },
    },
  },
};

function eventsOf(row: Schema): Response {
  return {
    description: 'The stream; x-event-data is what the data of an event is.',
    content: { 'text/event-stream': { schema: text, 'x-event-data': listOf(row) } },
  };
}
