import { MAX_BLOB_BYTES } from '../../shared/read/writes.ts';
import { created, errors, OF_EVERY_WRITE } from './answers.ts';
import type { Area } from './openapi.ts';
import { shared } from './parameters.ts';
import { count, hex } from './schema.ts';

const BYTES = 'application/octet-stream';

export const blobs: Area = {
  paths: {
    '/api/v1/blobs': {
      post: {
        operationId: 'putBlob',
        tags: ['blobs'],
        summary: 'Store bytes; the same bytes again change nothing',
        parameters: shared('idempotencyKey'),
        requestBody: {
          required: true,
          description: `The bytes themselves, of whatever type, at most ${MAX_BLOB_BYTES}.`,
          content: { [BYTES]: { example: 'Refunded in full.' } },
        },
        responses: {
          '201': created('The hash by which the bytes can be had, durable.', {
            sha256: hex(64),
            size: count,
          }),
          ...errors(...OF_EVERY_WRITE),
        },
      },
    },
    '/api/v1/blobs/{sha256}': {
      get: {
        operationId: 'getBlob',
        tags: ['blobs'],
        summary: 'The bytes that a row names by their hash',
        parameters: shared('sha256', 'timeout'),
        responses: {
          '200': { description: 'The bytes themselves.', content: { [BYTES]: {} } },
          ...errors('BadRequest', 'NotFound', 'Unavailable'),
        },
      },
    },
  },
};
