import { afterEach, describe, expect, it } from 'vitest';
import { nanosKey } from '../../src/shared/read/ndjson.ts';
import { startEvalSite } from '../support/eval-site.ts';
import { attribute, logsOf, metricsOf, traceId, tracesOf } from '../support/otlp-samples.ts';
import { type QueryHarness, type StubBehaviour, startQuery, startShards } from '../support/query-harness.ts';
import { ndjson } from '../support/stub-shard.ts';

const stopped: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stopped.splice(0).reverse()) await stop();
});

/** Of the clock of the proxy. */
const NOW_NS = 1_700_000_000n * 1_000_000_000n;
const WHOLE = { partial: false, shards: { total: 2, ok: 2, failed: [] } };

describe('where a shard ends its answers after three rows', () => {
  async function startSmall(maxRows = 1000) {
    const site = await startEvalSite(2, {
      query: { timeoutMs: 20_000, limits: { maxRows } },
      shard: { maxAnswerRows: 3 },
    });
    stopped.push(site.stop);
    return site;
  }

  it('a PromQL query is computed from all points, each of them once', async () => {
    const point = (no: number) => ({
      timeUnixNano: String(NOW_NS - BigInt(no % 4)),
      asDouble: no,
      attributes: [attribute('no', no)],
    });
    const dataPoints = [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9].map(point);
    const site = await startSmall(dataPoints.length);
    await site.send('metrics', metricsOf('shop', [{ name: 'm', gauge: { dataPoints } }]));
    const { status, body } = await site.query.get('/api/v1/metrics/query?query=count(m)');
    expect(status).toBe(200);
    expect(body).toMatchObject({ series: [{ value: 10 }], ...WHOLE });
  });

  it('an eval run is derived from all spans and scores', async () => {
    const site = await startSmall();
    const cases = Array.from({ length: 10 }, (_, index) => `case-${index}`);
    const spans = cases.map((caseId, span) => ({
      trace: caseId,
      span,
      attributes: [attribute('tael.eval.run_id', 'run'), attribute('tael.eval.case_id', caseId)],
    }));
    await site.send('traces', tracesOf('runner', spans));
    for (const case_id of cases) {
      await site.post('/api/v1/evals/scores', { run_id: 'run', case_id, metric: 'correctness', value: 1 });
    }
    const { status, body } = await site.query.get('/api/v1/evals/runs/run');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      run: { observed_cases: 10, scored_cases: 10, passed_cases: 10 },
      ...WHOLE,
    });
  });

  it('a correlation has all log records of the trace', async () => {
    const site = await startSmall();
    await site.send('traces', tracesOf('shop', [{ trace: 'a', span: 1 }]));
    const records = Array.from({ length: 8 }, (_, index) => ({
      timeUnixNano: String(index),
      traceId: traceId('a'),
    }));
    await site.send('logs', logsOf('shop', records));
    const { status, body } = await site.query.get(`/api/v1/correlate?trace=${traceId('a')}`);
    expect(status).toBe(200);
    expect(body).toMatchObject(WHOLE);
    expect(body.logs).toHaveLength(8);
  });
});

describe('where a shard has more than the proxy takes at once', () => {
  const points = Array.from({ length: 60 }, (_, no) => ({
    timeUnixNano: String(NOW_NS - BigInt(no)),
    asDouble: no,
    attributes: [attribute('no', no)],
  }));

  async function countIn(maxAnswerBytes: number) {
    const site = await startEvalSite(2, { query: { timeoutMs: 20_000, calls: { maxAnswerBytes } } });
    stopped.push(site.stop);
    await site.send('metrics', metricsOf('shop', [{ name: 'm', gauge: { dataPoints: points } }]));
    return site.query.get('/api/v1/metrics/query?query=count(m)');
  }

  it('it gives its rows in several answers', async () => {
    const { status, body } = await countIn(4096);
    expect(status).toBe(200);
    expect(body).toMatchObject({ series: [{ value: points.length }], ...WHOLE });
  });

  it('it is missing in part when a row alone is too much', async () => {
    const { body } = await countIn(300);
    expect(body).toMatchObject({
      count: 0,
      partial: true,
      shards: { failed: [{ reason: 'gave its first 0 rows only (query.maxShardAnswerBytes)' }] },
    });
  });
});

describe('a shard that ends its answers early', () => {
  const point = (timeNs: bigint) => ({
    key: [nanosKey(timeNs), 'm', 'shop', '0'.repeat(16)],
    row: { timestamp: '2023-11-14T22:13:19Z', service: 'shop', name: 'm', value: 1, attributes: {} },
  });

  async function start(behaviour: StubBehaviour): Promise<QueryHarness & { calls(): number }> {
    const [shard] = await startShards(behaviour);
    if (shard === undefined) throw new Error('no shard');
    const query = await startQuery([shard.spec], { timeoutMs: 400 });
    stopped.push(shard.stop, query.stop);
    return { ...query, calls: () => shard.reads.length };
  }

  it('is missing in part when it has no room for the next row', async () => {
    const query = await start(response => response.end(ndjson([point(NOW_NS)], { truncated: true })));
    const { body } = await query.get('/api/v1/metrics/query?query=m');
    expect(body).toMatchObject({
      count: 1,
      partial: true,
      shards: { failed: [{ id: 's0', reason: 'gave its first 1 rows only' }] },
    });
    expect(query.calls()).toBe(2);
  });

  it('is waited for no longer than the deadline, however often it goes on', async () => {
    const query = await start((response, _request, { body }) => {
      const { startAt } = body as { startAt?: readonly string[] };
      const begin = startAt === undefined ? NOW_NS : BigInt(startAt[0] as string);
      response.end(ndjson([point(begin), point(begin - 1n)], { truncated: true }));
    });
    const { status, body } = await query.get('/api/v1/metrics/query?query=m');
    expect(status).toBe(503);
    expect(body).toMatchObject({ shards: { failed: [{ id: 's0', reason: 'no answer within 360 ms' }] } });
    expect(query.calls()).toBeGreaterThan(2);
  });
});
