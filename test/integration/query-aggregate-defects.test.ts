import { afterEach, describe, expect, it } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { logsOf, metricsOf, type SpanSample, traceId, tracesOf } from '../support/otlp-samples.ts';
import { type StubBehaviour, startQuery, startShards } from '../support/query-harness.ts';
import { postWrite } from '../support/shard-writes.ts';
import { gauge, NOW_NS, send } from '../support/shop-data.ts';

/*
 * What merging the answers of single stores gets wrong, by the numbers of the read API contract's list of defects (§4.2):
 * each test shows the answer that one store with all the data gives.
 */

let cluster: Cluster;
afterEach(() => cluster.stop());

const NANOS_PER_MS = 1_000_000n;
const MINUTE_NS = 60_000_000_000n;

interface Spans extends Partial<SpanSample> {
  readonly count: number;
  readonly minutesAgo?: bigint;
  readonly ms?: number;
}

let spanNo = 0;
/** Spans of a service, each a trace of its own. */
async function store(shardNo: number, service: string, { count, minutesAgo = 1n, ms = 1, ...span }: Spans) {
  const shard = cluster.shards[shardNo];
  if (shard === undefined) throw new Error(`there is no shard ${shardNo}`);
  const samples = Array.from({ length: count }, () => {
    const no = spanNo++;
    const start = NOW_NS - minutesAgo * MINUTE_NS;
    return { trace: no, span: no, start, durationNs: BigInt(ms) * NANOS_PER_MS, ...span };
  });
  await send(shard, 'traces', tracesOf(service, samples));
}

interface Body extends Json {
  readonly top_services: readonly Json[];
  readonly top_error_operations: readonly Json[];
  readonly logs: readonly Json[];
  readonly metrics: readonly Json[];
}

async function get(path: string): Promise<Body> {
  const { status, body } = await cluster.query.get(path);
  expect(status).toBe(200);
  return body as Body;
}

describe('F1: percentiles', () => {
  it('are those of all durations, not averages of the shards’ own', async () => {
    cluster = await startCluster(3);
    for (let ms = 1; ms <= 90; ms++) await store(0, 'web', { count: 1, ms });
    await store(1, 'web', { count: 5, ms: 1000 });
    await store(2, 'web', { count: 5, ms: 2000 });
    // Of a hundred durations, the elements 50, 94 and 98 in order.
    const { traces, top_services } = await get('/api/v1/summary');
    expect(traces).toMatchObject({ span_count: 100, p50_ms: 51, p95_ms: 1000, p99_ms: 2000, max_ms: 2000 });
    expect(top_services).toMatchObject([{ service: 'web', p95_ms: 1000 }]);
  });
});

describe('F2: top lists', () => {
  it('have the service that is the first of all, though it is on no shard’s own list', async () => {
    cluster = await startCluster(2);
    for (const shardNo of [0, 1]) {
      for (let local = 0; local < 10; local++) {
        await store(shardNo, `local ${shardNo}-${local}`, { count: 4, status: 2, name: 'fail' });
      }
      await store(shardNo, 'everywhere', { count: 3, status: 2, name: 'fail', ms: shardNo + 1 });
    }
    const { top_services, top_error_operations } = await get('/api/v1/summary');
    expect(top_services).toHaveLength(10);
    expect(top_services[0]).toEqual({ service: 'everywhere', span_count: 6, error_rate: 1, p95_ms: 2 });
    expect(top_error_operations).toHaveLength(10);
    expect(top_error_operations[0]).toEqual({ service: 'everywhere', operation: 'fail', error_count: 6 });
  });
});

describe('F3: ties', () => {
  it('are broken by name, on every call', async () => {
    cluster = await startCluster(3);
    for (const [index, service] of ['b', '😀', 'a', '\uffee'].entries()) {
      await store(index % 3, service, { count: 2, status: 2, name: 'y' });
      await store((index + 1) % 3, service, { count: 2, status: 2, name: 'x' });
    }
    const names = ['a', 'b', '\uffee', '😀'];
    for (let call = 0; call < 3; call++) {
      const { top_services, top_error_operations } = await get('/api/v1/summary');
      expect(top_services).toMatchObject(names.map(service => ({ service, span_count: 4 })));
      expect(top_error_operations).toMatchObject(
        names.flatMap(service => ['x', 'y'].map(operation => ({ service, operation, error_count: 2 }))),
      );
    }
  });
});

describe('F4: unique metric names', () => {
  it('are counted once, on however many shards they are', async () => {
    cluster = await startCluster(3);
    for (const shard of cluster.shards) {
      const points = ['cpu', 'memory'].map(name => gauge(name, NOW_NS, 1));
      await send(shard, 'metrics', metricsOf('web', points));
    }
    const { metrics } = await get('/api/v1/summary');
    expect(metrics).toEqual({ point_count: 6, unique_names: 2 });
  });
});

describe('F6: anomalies', () => {
  it('are of the pooled spans: one failure on a quiet shard is none', async () => {
    cluster = await startCluster(3);
    await store(0, 'web', { count: 1, status: 2 });
    await store(1, 'web', { count: 60 });
    await store(2, 'web', { count: 60, minutesAgo: 120n });
    expect((await get('/api/v1/anomalies')).anomalies).toEqual([]);
  });

  it('are found though no shard has spans enough for them', async () => {
    cluster = await startCluster(3);
    for (const shardNo of [0, 1, 2]) {
      await store(shardNo, 'web', { count: 2, status: 2, ms: 60 });
      await store(shardNo, 'web', { count: 18, minutesAgo: 120n });
    }
    // 6 failures of 6 against 6 of 60; a baseline of which the slow tenth is more than the last 5 %.
    expect((await get('/api/v1/anomalies')).anomalies).toEqual([
      {
        service: 'web',
        kind: 'error_rate',
        severity: 'critical',
        current: 1,
        baseline: 0.1,
        delta: 0.9,
        description: 'Error rate rose 10.0% → 100.0% (baseline 10.0%, 6 spans)',
      },
    ]);
  });

  it('are found where the spans of now and those of before are on other shards', async () => {
    cluster = await startCluster(2);
    await store(0, 'db', { count: 5, ms: 90 });
    await store(1, 'db', { count: 200, ms: 30, minutesAgo: 180n });
    expect((await get('/api/v1/anomalies')).anomalies).toEqual([
      {
        service: 'db',
        kind: 'latency_p95',
        severity: 'critical',
        current: 90,
        baseline: 30,
        delta: 60,
        description: 'p95 latency 30.0ms → 90.0ms (3.0× baseline)',
      },
    ]);
  });
});

describe('F7, D20: correlation', () => {
  it('has spans, log records and metrics from every shard, those of all services in the time of the trace', async () => {
    cluster = await startCluster(3);
    const [a, b, c] = cluster.shards as [never, never, never];
    const span = { trace: 't', start: NOW_NS, durationNs: 1_000_500n };
    await send(a, 'traces', tracesOf('web', [{ ...span, span: 1 }]));
    await send(b, 'traces', tracesOf('db', [{ ...span, span: 2, start: NOW_NS + 1_000_000n, status: 2 }]));
    // The same span on a second shard counts once.
    await send(c, 'traces', tracesOf('db', [{ ...span, span: 2, start: NOW_NS + 1_000_000n, status: 2 }]));
    const endNs = NOW_NS + 2_000_500n;
    for (const [index, shard] of [a, b, c].entries()) {
      const logRecords = [
        { traceId: traceId('t'), timeUnixNano: `${index + 1}`, body: { stringValue: `log ${index}` } },
      ];
      await send(shard, 'logs', logsOf('web', logRecords));
    }
    await send(c, 'metrics', metricsOf('db', [gauge('last', endNs, 1), gauge('late', endNs + 1n, 1)]));
    await send(b, 'metrics', metricsOf('web', [gauge('first', NOW_NS, 1), gauge('early', NOW_NS - 1n, 1)]));
    await send(a, 'metrics', metricsOf('other', [gauge('foreign', NOW_NS, 1)]));

    const { logs, metrics, ...trace } = await get(`/api/v1/correlate?trace=${traceId('t').toUpperCase()}`);
    expect(trace).toMatchObject({
      trace_id: traceId('t'),
      span_count: 2,
      services: ['db', 'web'],
      start_time: '2023-11-14T22:13:20+00:00',
      end_time: '2023-11-14T22:13:20.002000500+00:00',
      duration_ms: 2,
      error_count: 1,
    });
    expect(trace).not.toHaveProperty('spans');
    expect(logs).toMatchObject([{ body: 'log 2' }, { body: 'log 1' }, { body: 'log 0' }]);
    expect(metrics).toMatchObject([{ name: 'first' }, { name: 'last' }]);
  });

  it('has the newest 500 log records and the first 500 points', async () => {
    cluster = await startCluster(2);
    const [a, b] = cluster.shards as [never, never];
    await send(a, 'traces', tracesOf('web', [{ trace: 't', span: 1, start: 1000, durationNs: 1000 }]));
    for (const [index, shard] of [a, b].entries()) {
      const times = Array.from({ length: 400 }, (_, no) => 1000 + 2 * no + index);
      const logRecords = times.map(time => ({ traceId: traceId('t'), timeUnixNano: String(time) }));
      await send(shard, 'logs', logsOf('web', logRecords));
      await send(
        shard,
        'metrics',
        metricsOf(
          'web',
          times.map(time => gauge('m', BigInt(time), 1)),
        ),
      );
    }
    const { logs, metrics } = await get(`/api/v1/correlate?trace=${traceId('t')}`);
    expect([logs.length, metrics.length]).toEqual([500, 500]);
    expect([logs[0], logs[499]]).toMatchObject([
      { timestamp: '1970-01-01T00:00:00.000001799Z' },
      { timestamp: '1970-01-01T00:00:00.000001300Z' },
    ]);
    expect([metrics[0], metrics[499]]).toMatchObject([
      { timestamp: '1970-01-01T00:00:00.000001Z' },
      { timestamp: '1970-01-01T00:00:00.000001499Z' },
    ]);
  });

  it('is 404 when every shard says no, 503 when one cannot, and 200 without one that is not needed', async () => {
    cluster = await startCluster(2);
    const [holder, other] = cluster.shards as [Cluster['shards'][number], Cluster['shards'][number]];
    await send(holder, 'traces', tracesOf('web', [{ trace: 't', span: 1 }]));
    const missing = `/api/v1/correlate?trace=${traceId('x')}`;
    expect(await cluster.query.get(missing)).toMatchObject({
      status: 404,
      body: { error: 'trace not found' },
    });

    await other.remove();
    const { status, body } = await cluster.query.get(missing);
    expect(status).toBe(503);
    expect(body.error).toMatch(/^trace not found, but not every shard answered: s1 /);
    const found = await cluster.query.get(`/api/v1/correlate?trace=${traceId('t')}`);
    expect(found).toMatchObject({ status: 200, body: { span_count: 1, partial: true } });
    cluster = {
      ...cluster,
      stop: async () => Promise.all([cluster.query.stop(), holder.remove()]).then(() => {}),
    };
  });
});

describe('F14: windows', () => {
  it('are of one time for every shard and in every round, however late it gets', async () => {
    cluster = await startCluster(2);
    for (const shardNo of [0, 1]) {
      for (const ms of [100, 101, 102, 103, 104])
        await store(shardNo, 'web', { count: 1, ms: ms + shardNo * 5 });
      await store(shardNo, 'web', { count: 120, minutesAgo: 120n });
    }
    const asked: string[] = [];
    const stubs = await startShards(
      ...cluster.shards.map(
        (shard): StubBehaviour =>
          (response, request, { body }) => {
            const post = JSON.stringify(body);
            asked.push(post);
            fetch(shard.readUrl + request.url, { method: 'POST', body: post })
              .then(answer => answer.text())
              .then(
                text => response.end(text),
                () => response.destroy(),
              );
          },
      ),
    );
    let nowMs = Number(NOW_NS / NANOS_PER_MS);
    const query = await startQuery(
      stubs.map(({ spec }) => spec),
      { timeoutMs: 20_000, clock: { now: () => (nowMs += 60_000) } },
    );
    try {
      const startOf = (minutesAgo: bigint) => `"fromNs":"${NOW_NS - minutesAgo * MINUTE_NS}"`;
      const windows = () =>
        new Set(asked.splice(0).flatMap(post => post.match(/"fromNs":"\d+"/g) ?? ['none']));
      await query.get('/api/v1/summary');
      expect(asked.length).toBeGreaterThan(2);
      expect(windows()).toEqual(new Set([startOf(59n)]));

      const { body } = await query.get('/api/v1/anomalies');
      expect(body.anomalies).toMatchObject([{ kind: 'latency_p95', current: 109 }]);
      expect(asked.length).toBeGreaterThan(4);
      expect(windows()).toEqual(new Set([startOf(58n), startOf(358n)]));
    } finally {
      await query.stop();
      await Promise.all(stubs.map(stub => stub.stop()));
    }
  });
});

describe('G1, G8: comments', () => {
  it('of all traces come newest first from all shards, each once, though copies of it are on several', async () => {
    cluster = await startCluster(3);
    const write = async (shardNo: number, id: string, createdNs: bigint, trace = 'any') => {
      const { readUrl } = cluster.shards[shardNo] as Cluster['shards'][number];
      const comment = {
        id,
        traceId: trace,
        author: 'me',
        body: `{"kind":"${id}"}`,
        createdNs: String(createdNs),
      };
      expect((await postWrite(readUrl, 'comment', comment)).status).toBe(200);
    };
    await write(0, 'a', NOW_NS);
    await write(1, 'a', NOW_NS);
    await write(1, 'b', NOW_NS + 1n, 'run:1');
    await write(2, 'c', NOW_NS);
    await write(2, 'd', NOW_NS + 2n, 'run:1');

    const { comments, count } = await get('/api/v1/comments?limit=3');
    expect(comments).toMatchObject([{ id: 'd' }, { id: 'b' }, { id: 'c' }]);
    expect(count).toBe(3);
    const all = await get('/api/v1/comments');
    expect(all).toMatchObject({ comments: [{ id: 'd' }, { id: 'b' }, { id: 'c' }, { id: 'a' }], count: 4 });
    const ofRun = await get('/api/v1/traces/run:1/comments');
    expect(ofRun).toEqual({
      comments: [
        {
          id: 'b',
          trace_id: 'run:1',
          span_id: null,
          author: 'me',
          body: '{"kind":"b"}',
          created_at: '2023-11-14T22:13:20.000000001+00:00',
        },
        expect.objectContaining({ id: 'd' }),
      ],
      count: 2,
      partial: false,
      shards: { total: 3, ok: 3, failed: [] },
    });
    expect(await get('/api/v1/traces/none/comments')).toMatchObject({ comments: [], count: 0 });
  });
});
