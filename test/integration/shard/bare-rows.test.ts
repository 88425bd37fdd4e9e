import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Json } from '../../support/otlp-arbitraries.ts';
import { attribute, metricsOf, tracesOf } from '../../support/otlp-samples.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard;
beforeAll(async () => {
  shard = await startTestShard();
  const attributes = [
    attribute('gen_ai.system', 'test'),
    attribute('gen_ai.prompt', 'a long prompt'),
    attribute('retries', 2),
  ];
  const ended = { trace: 'a', span: 1, durationNs: 2_000_000, status: 2, attributes };
  await shard.send('traces', tracesOf('shop', [ended, { trace: 'a', span: 2, start: 2000 }]));
  const dataPoints = [
    { timeUnixNano: '5', asDouble: 0.1, attributes: [attribute('queue', 'mail'), attribute('size', 3)] },
    { timeUnixNano: '6', asDouble: 'NaN' },
  ];
  await shard.send('metrics', metricsOf('shop', [{ name: 'depth', unit: '1', gauge: { dataPoints } }]));
});
afterAll(() => shard.remove());

function withoutBulk({ events: _e, otlp: _o, resource: _r, scope: _s, ...rest }: Json): Json {
  return rest;
}

it.each(['spans', 'metrics'] as const)('bare %s are the same rows without what is bulky', async name => {
  const whole = await shard.read(name, { limit: 10 });
  const bare = await shard.read(name, { limit: 10, bare: true });
  expect(whole.rows).toHaveLength(2);
  expect(whole.rows[0]).toHaveProperty('otlp');
  expect(bare.rows.map(row => Object.keys(row))).toEqual(
    whole.rows.map(row => Object.keys(withoutBulk(row))),
  );
  expect(bare.rows).toEqual(whole.rows.map(withoutBulk));
  expect(bare.keys).toEqual(whole.keys);
});

it('bare spans are found by the same filters', async () => {
  const { rows } = await shard.read('spans', {
    limit: 10,
    bare: true,
    attributes: [['retries', '2']],
    attributeKeys: ['retries'],
  });
  expect(rows.map(row => row.status)).toEqual(['error']);
});
