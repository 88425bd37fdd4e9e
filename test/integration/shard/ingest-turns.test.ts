import { expect, it } from 'vitest';
import { createDecoder } from '../../../src/shard/decode/decoder.ts';
import { NO_POOL } from '../../../src/shared/buffer-pool.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import { createTimeSlices } from '../../../src/shared/time-slices.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { tracesOf } from '../../support/otlp-samples.ts';
import { otlpBytes } from '../../support/test-shard.ts';
import { turnsDuring } from '../../support/turns.ts';

it('a large request lets reads have their turns between its records', async () => {
  const decode = createDecoder({ types: createOtlpTypes(), hash: await createHash(), buffers: NO_POOL });
  const spans = Array.from({ length: 320 }, (_, span) => ({ trace: 't', span: span + 1 }));
  const steps = decode('traces', otlpBytes('traces', tracesOf('shop', spans)));
  const turns = await turnsDuring(async () => {
    const decoded = await createTimeSlices({ sliceMs: 0 }).run(steps);
    expect(decoded.kind === 'records' && decoded.records.spans.length).toBe(320);
  });
  expect(turns).toBeGreaterThanOrEqual(20);
});
