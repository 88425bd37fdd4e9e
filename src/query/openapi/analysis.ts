import { DURATION_FORMS } from '../../shared/time.ts';
import { completeAnswer, errors } from './answers.ts';
import { type Area, parameter } from './openapi.ts';
import { OF_EVERY_READ, shared, TRACE_ID, WINDOW } from './parameters.ts';
import {
  count,
  described,
  hex,
  listOf,
  number,
  object,
  oneOf,
  schemaRef,
  text,
  textOrNull,
  time,
} from './schema.ts';

const HOUR = parameter('last', {
  description: `A window that ends now, default 1h: ${DURATION_FORMS}. At most query.maxWindow.`,
  schema: WINDOW,
  example: '1h',
});

export const analysis: Area = {
  paths: {
    '/api/v1/services': {
      get: {
        operationId: 'getServices',
        tags: ['analysis'],
        summary: 'What each service did, over everything stored',
        parameters: shared(...OF_EVERY_READ),
        responses: {
          '200': completeAnswer('By span_count descending, then by name.', {
            services: listOf(schemaRef('Service')),
          }),
          ...errors('BadRequest', 'TooLarge', 'Unavailable'),
        },
      },
    },
    '/api/v1/summary': {
      get: {
        operationId: 'getSummary',
        tags: ['analysis'],
        summary: 'What happened in a window, to all services or to one',
        parameters: [HOUR, ...shared('service', ...OF_EVERY_READ)],
        responses: {
          '200': completeAnswer('Exact figures of all shards together; both top lists have ten entries.', {
            window_seconds: count,
            service_filter: textOrNull,
            traces: object({
              span_count: count,
              trace_count: count,
              error_count: count,
              error_rate: number,
              avg_ms: number,
              max_ms: number,
              p50_ms: number,
              p95_ms: number,
              p99_ms: number,
            }),
            top_services: listOf(
              object({ service: text, span_count: count, error_rate: number, p95_ms: number }),
            ),
            top_error_operations: listOf(object({ service: text, operation: text, error_count: count })),
            logs: object({
              total: count,
              error: described(count, 'With the fatal ones.'),
              warn: count,
              info: count,
              debug: count,
            }),
            metrics: object({ point_count: count, unique_names: count }),
          }),
          ...errors('BadRequest', 'TooLarge', 'Unavailable'),
        },
      },
    },
    '/api/v1/anomalies': {
      get: {
        operationId: 'getAnomalies',
        tags: ['analysis'],
        summary: 'Services that fail more often or are slower than before',
        parameters: [
          HOUR,
          parameter('baseline', {
            description: `The window to compare with, which contains the current one; default six times as long: ${DURATION_FORMS}.`,
            schema: WINDOW,
            example: '12h',
          }),
          ...shared('service', ...OF_EVERY_READ),
        ],
        responses: {
          '200': completeAnswer('By severity, service and kind.', {
            current_seconds: count,
            baseline_seconds: count,
            service_filter: textOrNull,
            anomalies: listOf(schemaRef('Anomaly')),
          }),
          ...errors('BadRequest', 'TooLarge', 'Unavailable'),
        },
      },
    },
    '/api/v1/correlate': {
      get: {
        operationId: 'correlate',
        tags: ['analysis'],
        summary: 'One trace in figures, with its logs and the metrics of its services',
        parameters: [
          parameter('trace', {
            required: true,
            description: 'Its id, in any case.',
            schema: TRACE_ID,
            example: '5b8efff798038103d269b633813fc60c',
          }),
          ...shared(...OF_EVERY_READ),
        ],
        responses: {
          '200': completeAnswer('The newest 500 logs of the trace and the first 500 points in its time.', {
            trace_id: hex(32),
            span_count: count,
            services: listOf(text),
            start_time: time,
            end_time: time,
            duration_ms: described(number, 'From the first start to the last end, in whole microseconds.'),
            error_count: count,
            logs: listOf(schemaRef('LogRecord')),
            metrics: listOf(schemaRef('MetricPoint')),
          }),
          ...errors('BadRequest', 'NotFound', 'TooLarge', 'Unavailable'),
        },
      },
    },
  },
  schemas: {
    Service: object({
      name: text,
      span_count: count,
      trace_count: count,
      avg_duration_ms: number,
      error_rate: number,
    }),
    Anomaly: object({
      service: text,
      kind: oneOf(['error_rate', 'latency_p95']),
      severity: oneOf(['critical', 'warning', 'info']),
      current: described(number, 'A share of an error rate, milliseconds of a latency.'),
      baseline: number,
      delta: number,
      description: text,
    }),
  },
};
