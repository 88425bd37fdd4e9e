import { errors, json } from './answers.ts';
import type { Area, Content } from './openapi.ts';
import { anyObject, text } from './schema.ts';

const PLAIN: Content = { 'text/plain': { schema: text } };

export const process: Area = {
  paths: {
    '/healthz': {
      get: {
        operationId: 'getHealth',
        tags: ['process'],
        summary: 'Whether the process answers',
        responses: { '200': { description: 'ok', content: PLAIN }, ...errors() },
      },
    },
    '/readyz': {
      get: {
        operationId: 'getReadiness',
        tags: ['process'],
        summary: 'Whether query.readyQuorum shards are ready',
        responses: { '200': { description: 'ready', content: PLAIN }, ...errors('Unavailable') },
      },
    },
    '/metrics': {
      get: {
        operationId: 'scrape',
        tags: ['process'],
        summary: 'Metrics of the proxy in the Prometheus text format',
        responses: { '200': { description: 'The metrics.', content: PLAIN }, ...errors() },
      },
    },
    '/openapi.json': {
      get: {
        operationId: 'getOpenApi',
        tags: ['process'],
        summary: 'This document',
        responses: { '200': { description: 'OpenAPI 3.1.', content: json(anyObject) }, ...errors() },
      },
    },
  },
};
