import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createBlobUploadRoute } from '../../../src/shard/api/blob-routes.ts';
import type { Route } from '../../../src/shard/api/route.ts';
import { createWriteRoute } from '../../../src/shard/api/write-route.ts';
import { atOnce, createDecoder } from '../../../src/shard/decode/decoder.ts';
import { createReadServer } from '../../../src/shard/read-server.ts';
import { sha256Hex } from '../../../src/shard/store/blobs.ts';
import { createWriteApi } from '../../../src/shard/writes/write-api.ts';
import { NO_POOL } from '../../../src/shared/buffer-pool.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import { blobPath, writePath } from '../../../src/shared/read/writes.ts';
import { systemClock } from '../../../src/shared/time.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';

const types = createOtlpTypes();
const decode = atOnce(createDecoder({ types, hash: await createHash(), buffers: NO_POOL }));
const writer = { write: () => Promise.resolve({ kind: 'unknown', reason: 'the disk is gone' } as const) };
const database = { connect: () => Promise.reject(new Error('nothing is to be read')) };

const comment = { id: 'c1', traceId: 't1', author: 'ada', body: 'hm', createdNs: '1' };
const blob = Buffer.from('prompt');

it.each([
  {
    what: 'a write',
    route: createWriteRoute(createWriteApi({ types, decode, writer, database })),
    path: writePath('comment'),
    request: { method: 'POST', body: JSON.stringify(comment) },
  },
  {
    what: 'an upload',
    route: createBlobUploadRoute({ writer, clock: systemClock, pinMs: 1 }),
    path: blobPath(sha256Hex(blob)),
    request: { method: 'PUT', body: blob },
  },
])(
  '$what of which the shard cannot tell whether it is stored is answered so, to be sent again',
  async ({ route, path, request }) => {
    const server = await serve(route);
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, request);
    const body = await answer.json();
    await server.stop();
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(body).toEqual({ error: 'the shard cannot tell yet whether it stored it: the disk is gone' });
  },
);

function serve(route: Route) {
  return createReadServer({
    host: '127.0.0.1',
    port: 0,
    routes: [route],
    notReadyReason: () => undefined,
    notReadableReason: () => undefined,
    metrics: () => Promise.reject(new Error('nothing is to be measured')),
    logger: pino({ level: 'silent' }),
  });
}
