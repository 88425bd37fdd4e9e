import { afterEach, describe, expect, it } from 'vitest';
import { traceId, tracesOf } from '../support/otlp-samples.ts';
import { type QueryHarness, startQuery, startShards } from '../support/query-harness.ts';
import { shardSpec } from '../support/stub-shard.ts';
import { startTestShard } from '../support/test-shard.ts';

const stopped: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopped.splice(0).reverse()) await stop();
});

/** One shard that answers, and `s0`, which takes every request and says nothing. */
async function startBesideHung(): Promise<QueryHarness> {
  const well = await startTestShard();
  stopped.push(() => well.remove());
  const hung = await startShards(() => {});
  stopped.push(async () => void (await Promise.all(hung.map(shard => shard.stop()))));
  await well.send('traces', tracesOf('shop', [{ trace: 'a', span: 1 }]));
  const answering = shardSpec('well', Number(new URL(well.readUrl).port));
  const query = await startQuery([answering, ...hung.map(({ spec }) => spec)], { timeoutMs: 3000 });
  stopped.push(() => query.stop());
  return query;
}

describe('H1: a shard that hangs', () => {
  it.each([
    ['/api/v1/summary?last=30000d', { traces: { span_count: 1 }, top_services: [{ service: 'shop' }] }],
    [`/api/v1/correlate?trace=${traceId('a')}`, { span_count: 1 }],
    ['/api/v1/evals/runs', { count: 0 }],
  ])('leaves time for the later rounds of the others: %s', async (path, members) => {
    const query = await startBesideHung();
    const { status, body } = await query.get(path);
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { ...members, partial: true, shards: { ok: 1, failed: [{ id: 's0' }] } },
    });
  });
});
