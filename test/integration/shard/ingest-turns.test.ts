import { expect, it } from 'vitest';
import { createDecoder } from '../../../src/shard/decode/decoder.ts';
import { NO_POOL } from '../../../src/shared/buffer-pool.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import type { Signal } from '../../../src/shared/otlp/signal.ts';
import { createTimeSlices } from '../../../src/shared/time-slices.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { tracesOf } from '../../support/otlp-samples.ts';
import { otlpBytes } from '../../support/test-shard.ts';
import { turnsDuring } from '../../support/turns.ts';

const decode = createDecoder({ types: createOtlpTypes(), hash: await createHash(), buffers: NO_POOL });

async function turnsOf(signal: Signal, body: Buffer): Promise<number> {
  return turnsDuring(async () => {
    const decoded = await createTimeSlices({ sliceMs: 0 }).run(decode(signal, body));
    if (decoded.kind === 'malformed') throw new Error(decoded.reason);
    expect(decoded.records[signal === 'traces' ? 'spans' : signal].length).toBe(320);
  });
}

it('a large request lets reads have their turns between its records', async () => {
  const spans = Array.from({ length: 320 }, (_, span) => ({ trace: 't', span: span + 1 }));
  expect(await turnsOf('traces', otlpBytes('traces', tracesOf('shop', spans)))).toBeGreaterThanOrEqual(20);
});

it.each(['sum', 'exponentialHistogram'])(
  'a metric of many data points (%s) lets reads have their turns between them',
  async kind => {
    const dataPoints = Array.from({ length: 320 }, (_, point) => ({ timeUnixNano: String(point + 1) }));
    const metrics = [{ name: 'm', [kind]: { dataPoints } }];
    const body = otlpBytes('metrics', { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
    expect(await turnsOf('metrics', body)).toBeGreaterThanOrEqual(20);
  },
);

it('a request of nothing but empty envelopes lets reads have their turns between them', async () => {
  const body = Buffer.alloc(2 * 320, Buffer.of(0x0a, 0));
  const turns = await turnsDuring(async () => {
    await createTimeSlices({ sliceMs: 0 }).run(decode('logs', body));
  });
  expect(turns).toBeGreaterThanOrEqual(20);
});
