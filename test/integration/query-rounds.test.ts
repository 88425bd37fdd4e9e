import { afterEach, describe, expect, it } from 'vitest';
import { traceId, tracesOf } from '../support/otlp-samples.ts';
import { type QueryHarness, startQuery, startShards } from '../support/query-harness.ts';
import { answers, shardSpec } from '../support/stub-shard.ts';
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
  const query = await startQuery([answering, ...hung.map(({ spec }) => spec)], { timeoutMs: 6000 });
  stopped.push(() => query.stop());
  return query;
}

describe('partial=false', () => {
  it('asks no further rounds when a shard has failed', async () => {
    const first = Promise.withResolvers<void>();
    const shards = await startShards(
      (response, request, read) => {
        answers([])(response, request, read);
        response.once('close', () => first.resolve());
      },
      async response => {
        await first.promise;
        response.writeHead(500).end();
      },
    );
    stopped.push(async () => void (await Promise.all(shards.map(shard => shard.stop()))));
    const query = await startQuery(shards.map(({ spec }) => spec));
    stopped.push(() => query.stop());
    const { status, body } = await query.get('/api/v1/evals/runs?partial=false');
    expect(status).toBe(503);
    expect(body).toMatchObject({
      shards: {
        failed: [
          { id: 's0', reason: 'not waited for: s1 had failed' },
          { id: 's1', reason: 'answered 500' },
        ],
      },
    });
    expect(shards[0]?.reads).toHaveLength(1);
  });
});

describe('H1: a shard that hangs', () => {
  it('leaves time for the later rounds of the others: of a summary, a correlation and evals', async () => {
    const query = await startBesideHung();
    const reads: [string, object][] = [
      ['summary?last=30000d', { traces: { span_count: 1 }, top_services: [{ service: 'shop' }] }],
      [`correlate?trace=${traceId('a')}`, { span_count: 1 }],
      ['evals/runs', { count: 0 }],
    ];
    // At the same time, for each takes most of the deadline.
    const replies = await Promise.all(reads.map(([path]) => query.get(`/api/v1/${path}`)));
    expect(replies).toMatchObject(
      reads.map(([, members]) => ({
        status: 200,
        body: { ...members, partial: true, shards: { ok: 1, failed: [{ id: 's0' }] } },
      })),
    );
  });
});
