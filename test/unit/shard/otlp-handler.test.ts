import { expect, it } from 'vitest';
import { createDecoder } from '../../../src/shard/decode/decoder.ts';
import { createShardExportHandler } from '../../../src/shard/otlp-handler.ts';
import { NO_POOL } from '../../../src/shared/buffer-pool.ts';
import { CONDITIONS, retryDelayMs } from '../../../src/shared/otlp/conditions.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import { createTimeSlices } from '../../../src/shared/time-slices.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';

it('a batch of which the writer cannot tell whether it is stored is answered 503, to be sent again', async () => {
  const decode = createDecoder({ types: createOtlpTypes(), hash: await createHash(), buffers: NO_POOL });
  const slices = createTimeSlices({ sliceMs: 1 });
  const writer = { write: () => Promise.resolve({ kind: 'unknown', reason: 'the disk is gone' } as const) };
  const answer = await createShardExportHandler({ decode, slices, writer })({
    signal: 'traces',
    transport: 'http',
    deadlineMs: undefined,
    body: Buffer.alloc(0),
    header: () => undefined,
    warnings: [],
  });
  if (answer.kind === 'accepted') throw new Error('it is not known to be stored');
  expect(CONDITIONS[answer.condition].http).toBe(503);
  expect(retryDelayMs(answer.condition, answer.retryAfterMs)).toBe(1000);
  expect(answer.message).toBe('the shard cannot tell yet whether it stored the data: the disk is gone');
});
