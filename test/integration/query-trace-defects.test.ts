import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { traceKey } from '../../src/shared/topology/shard-key.ts';
import { type EvalSite, startEvalSite } from '../support/eval-site.ts';
import { logsOf, type SpanSample, spanId, traceId, tracesOf } from '../support/otlp-samples.ts';
import { startQuery, startShards } from '../support/query-harness.ts';
import { answers } from '../support/stub-shard.ts';

/*
 * What looking a trace up at "its" shard gets wrong, by the numbers of the read API contract's list of defects (§4.2).
 * Shards hold here what the topology would not give them, as after a re-route or beside another router.
 */

let site: EvalSite;
beforeAll(async () => {
  site = await startEvalSite(3, { query: { timeoutMs: 5_000 } });
});
afterAll(() => site.stop());

const owner = (trace: string) => site.ownerOf(traceKey(traceId(trace)));
const get = (path: string) => site.query.get(`/api/v1/${path}`);
const both = (trace: string) => [`traces/${traceId(trace)}`, `correlate?trace=${traceId(trace)}`];

async function storeAt(shard: number, trace: string, ...spans: readonly Omit<SpanSample, 'trace'>[]) {
  const request = tracesOf(
    'shop',
    spans.map(span => ({ trace, ...span })),
  );
  expect((await site.shards[shard]?.send('traces', request))?.status).toBe(200);
}

describe('a trace', () => {
  it('F8: is the union of what all shards hold of it, oldest first, each span once', async () => {
    await storeAt(0, 'split', { span: 'a', start: 3 }, { span: 'b', start: 1 });
    await storeAt(1, 'split', { span: 'b', start: 1 }, { span: 'c', start: 2 });
    await storeAt(2, 'split', { span: 'd', start: 4 });
    const { status, body } = await get(`traces/${traceId('split')}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      span_count: 4,
      spans: ['b', 'c', 'a', 'd'].map(id => ({ span_id: spanId(id) })),
      partial: false,
    });
  });

  it('H4: is asked of every shard once, its owner too, also where nobody has it', async () => {
    const shards = await startShards(answers([]), answers([]), answers([]));
    const query = await startQuery(shards.map(({ spec }) => spec));
    try {
      for (const path of both('absent')) {
        const before = shards.map(({ reads }) => reads.length);
        expect((await query.get(`/api/v1/${path}`)).status).toBe(404);
        const asked = shards.map(({ reads }, index) => reads.length - (before[index] ?? 0));
        expect(asked, path).toEqual([1, 1, 1]);
      }
    } finally {
      await query.stop();
      await Promise.all(shards.map(shard => shard.stop()));
    }
  });
});

describe('with a shard down', () => {
  const DOWN = 0;
  /** Of the shard that is down, and held by another. */
  let owned: string;
  /** Of another, and held by the shard that is down. */
  let held: string;

  beforeAll(async () => {
    const names = Array.from({ length: 20 }, (_, index) => `trace ${index}`);
    owned = names.find(name => owner(name) === DOWN) ?? '';
    held = names.find(name => owner(name) !== DOWN) ?? '';
    await storeAt(1, owned, { span: 'a', start: 1_700_000_000_000_000_000n });
    await storeAt(DOWN, held, { span: 'a' });
    await site.shards[1]?.send('logs', logsOf('shop', [{ timeUnixNano: '5' }]));
    await site.down(DOWN);
  });

  it('F9: a trace that it owns and another holds is found', async () => {
    for (const path of both(owned)) {
      expect(await get(path), path).toMatchObject({
        status: 200,
        body: { trace_id: traceId(owned), span_count: 1, partial: true, shards: { failed: [{ id: 's0' }] } },
      });
    }
  });

  it('F10: a trace that it holds and another owns is not said to be absent: 503 names the missing shard', async () => {
    for (const path of both(held)) {
      const { status, body, headers } = await get(path);
      expect(status, path).toBe(503);
      expect(body.error).toMatch(/^trace not found, but not every shard answered: s0 \(.*connection failed/);
      expect(headers.get('otelfan-missing-shards')).toBe('s0');
    }
  });

  it.each([
    ['traces', 'spans'],
    ['logs', 'logs'],
    ['metrics', 'metrics'],
    ['services', 'services'],
    ['summary', 'traces'],
    ['anomalies', 'anomalies'],
    ['metrics/query?query=up', 'series'],
    ['comments', 'comments'],
    [`traces/${traceId('split')}/comments`, 'comments'],
    ['evals/runs', 'runs'],
    ['evals/runs/r/cases', 'cases'],
    ['evals/runs/r/scores', 'scores'],
    ['evals/runs/r/compare?baseline=q', 'cases'],
  ])('F11: an answer without its data says so, in the body and in headers: /%s', async (path, member) => {
    const { status, body, headers } = await get(path);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      [member]: expect.anything(),
      partial: true,
      shards: { total: 3, ok: 2, failed: [{ id: 's0', reason: expect.any(String) }] },
    });
    expect(headers.get('otelfan-partial')).toBe('true');
    expect(headers.get('otelfan-missing-shards')).toBe('s0');
  });
});
