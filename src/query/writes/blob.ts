import { createHash } from 'node:crypto';
import { blobPath } from '../../shared/read/writes.ts';
import { blobKey } from '../../shared/topology/shard-key.ts';
import type { Write } from './write.ts';

const HEADERS = { 'content-type': 'application/octet-stream' } as const;

/**
 * `POST /api/v1/blobs` (read API contract §1.6), 201 `{"sha256", "size"}`: the raw bytes, whatever type they are said to
 * have. The same bytes again change nothing.
 */
export const blobWrite: Write = {
  name: 'blob',
  path: '/api/v1/blobs',

  plan({ body }) {
    const sha256 = createHash('sha256').update(body).digest('hex');
    return {
      kind: 'write',
      key: blobKey(sha256),
      embedded: { method: 'PUT', path: blobPath(sha256), headers: HEADERS, body },
      tael: { method: 'POST', path: '/api/v1/blobs', headers: HEADERS, body },
      answer: stored => stored,
    };
  },
};
