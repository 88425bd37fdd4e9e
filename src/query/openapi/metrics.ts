import { METRIC_TYPES } from '../../shared/read/contract.ts';
import { DURATION_FORMS } from '../../shared/time.ts';
import { completeAnswer, errors } from './answers.ts';
import { type Area, parameter } from './openapi.ts';
import { OF_EVERY_READ, shared, WINDOW } from './parameters.ts';
import { ATTRIBUTES, OTLP_REST, VALUE_TEXT } from './rows.ts';
import {
  count,
  described,
  listOf,
  mapOf,
  numberOrNull,
  object,
  oneOf,
  schemaRef,
  text,
  time,
} from './schema.ts';

export const metrics: Area = {
  paths: {
    '/api/v1/metrics': {
      get: {
        operationId: 'getMetrics',
        tags: ['metrics'],
        summary: 'Metric points that match, newest first',
        parameters: [
          ...shared('service'),
          parameter('name', { description: 'Exact.', schema: text, example: 'queue.depth' }),
          parameter('metric_type', {
            description: 'In any case.',
            schema: oneOf(METRIC_TYPES),
            example: 'gauge',
          }),
          ...shared('last', 'limit', 'cursor', ...OF_EVERY_READ),
        ],
        responses: {
          '200': completeAnswer(
            'One row for each data point.',
            { metrics: listOf(schemaRef('MetricPoint')), count },
            { next_cursor: text },
          ),
          ...errors('BadRequest', 'Gone', 'TooLarge', 'Unavailable'),
        },
      },
    },
    '/api/v1/metrics/query': {
      get: {
        operationId: 'queryMetrics',
        tags: ['metrics'],
        summary: 'A PromQL instant query',
        description:
          'Selectors with =, !=, =~ and !~; rate and increase; sum, avg, min, max and count with by. Anything else is ' +
          'a 400 that names what is not supported.',
        parameters: [
          parameter('query', {
            required: true,
            description: 'PromQL, up to 8192 characters. Names with dots are written {"http.requests"}.',
            schema: { type: 'string', minLength: 1, maxLength: 8192 },
            example: 'sum by (service) ({"queue.depth"})',
          }),
          parameter('last', {
            description: `How old the newest sample may be, default 300s: ${DURATION_FORMS}.`,
            schema: WINDOW,
            example: '1h',
          }),
          ...shared(...OF_EVERY_READ),
        ],
        responses: {
          '200': completeAnswer('By labels ascending, then by metric.', {
            query: text,
            series: listOf(schemaRef('Series')),
            count,
          }),
          ...errors('BadRequest', 'TooLarge', 'Unavailable'),
        },
      },
    },
  },
  schemas: {
    MetricPoint: object(
      {
        timestamp: time,
        service: text,
        name: text,
        metric_type: oneOf(METRIC_TYPES),
        value: described(numberOrNull, 'The sum of a histogram or summary.'),
        unit: text,
        attributes: ATTRIBUTES,
        ...OTLP_REST,
      },
      { value_text: VALUE_TEXT },
    ),
    Series: object(
      { metric: text, labels: mapOf(text), value: numberOrNull, timestamp: time },
      { value_text: VALUE_TEXT },
    ),
  },
};
