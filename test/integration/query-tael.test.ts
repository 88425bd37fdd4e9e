import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ShardSpec } from '../../src/shared/topology/topology.ts';
import { attribute, metricsOf, traceId, tracesOf } from '../support/otlp-samples.ts';
import { type HarnessOptions, type QueryHarness, startQuery } from '../support/query-harness.ts';
import { gauge, load, NOW_NS, send, shopData } from '../support/shop-data.ts';
import { shardSpec } from '../support/stub-shard.ts';
import { type StubTaelReads, startStubTaelReads } from '../support/stub-tael-reads.ts';
import { startTestShard, type TestShard } from '../support/test-shard.ts';

/** Everything on one shard, and the same on two and a tael-server. */
let shards: TestShard[];
let tael: StubTaelReads;
let one: QueryHarness;
let mixed: QueryHarness;
let opened: QueryHarness[] = [];
const RUN = 'nightly';
const OPTIONS = { timeoutMs: 20_000, limits: { maxRows: 2000 }, calls: { taelRowCap: 2000 } };

beforeAll(async () => {
  [shards, tael] = await Promise.all([
    Promise.all(Array.from({ length: 3 }, () => startTestShard())),
    startStubTaelReads('t', () => NOW_NS),
  ]);
  const [whole, ...split] = shards as [TestShard, ...TestShard[]];
  for (const stores of [[whole], [...split, tael]]) {
    await load(shopData(), stores);
    const last = stores.at(-1) as Pick<TestShard, 'send'>;
    await send(last, 'traces', evalSpans());
    await send(last, 'metrics', evalScores());
  }
  one = await startQuery([specOf(whole, 0)], OPTIONS);
  mixed = await startQuery(specs(), OPTIONS);
});
afterEach(async () => {
  tael.behave();
  tael.asked.length = 0;
  await Promise.all(opened.map(query => query.stop()));
  opened = [];
});
afterAll(async () => {
  await Promise.all([one, mixed].map(query => query.stop()));
  await Promise.all([tael.stop(), ...shards.map(shard => shard.remove())]);
});

function specOf({ readUrl }: TestShard, index: number) {
  return shardSpec(`s${index}`, Number(new URL(readUrl).port));
}
const specs = () => [...shards.map(specOf).slice(1), tael.spec];

/** A proxy over the same shards that the test may set up as it likes. */
async function proxy({ calls, limits, ...options }: HarnessOptions = {}): Promise<QueryHarness> {
  const query = await startQuery(specs(), {
    ...OPTIONS,
    ...options,
    calls: { ...OPTIONS.calls, ...calls },
    limits: { ...OPTIONS.limits, ...limits },
  });
  opened.push(query);
  return query;
}

function evalSpans() {
  const spans = [0, 1, 2].map(index => ({
    trace: `eval ${index}`,
    span: index,
    start: NOW_NS - BigInt(index),
    durationNs: 1_000_000n,
    status: index === 2 ? 2 : 1,
    attributes: [attribute('tael.eval.run_id', RUN), attribute('tael.eval.case_id', `case ${index}`)],
  }));
  return tracesOf('evaluated', spans);
}

function evalScores() {
  const point = {
    timeUnixNano: String(NOW_NS),
    asDouble: 0.5,
    attributes: [
      attribute('run_id', RUN),
      attribute('case_id', 'case 0'),
      attribute('metric', 'correctness'),
    ],
  };
  return metricsOf('tael-eval', [{ name: 'tael_eval_score', gauge: { dataPoints: [point] } }]);
}

/** What a tael-server has not kept, and what differs with the shards. */
const OURS = new Set(['otlp', 'resource', 'scope', 'shards', 'next_cursor']);

function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([name]) => !OURS.has(name));
  return Object.fromEntries(members.map(([name, member]) => [name, comparable(member)]));
}

describe('two shards and a tael-server answer like one shard', () => {
  it.each([
    '/api/v1/traces?limit=700',
    '/api/v1/traces?service=service+3&min_duration_ms=50.5&max_duration_ms=200',
    '/api/v1/traces?operation=tion+2&status=error&last=4h',
    '/api/v1/traces?attribute=tael.eval.run_id%3Dnightly',
    `/api/v1/traces/${traceId(2)}`,
    `/api/v1/traces/${traceId(5)}`,
    '/api/v1/logs?limit=500',
    '/api/v1/logs?severity=error&last=6h',
    `/api/v1/logs?trace_id=${traceId(5)}`,
    '/api/v1/metrics?limit=2000',
    '/api/v1/metrics?last=2h&metric_type=gauge',
    '/api/v1/metrics?name=metric+5&limit=20',
    '/api/v1/services',
    '/api/v1/summary?last=8h',
    '/api/v1/summary?service=service+3',
    '/api/v1/anomalies',
    '/api/v1/anomalies?last=90m&baseline=8h&service=service+2',
    `/api/v1/correlate?trace=${traceId(5)}`,
    '/api/v1/metrics/query?query=sum+by+(service)+({__name__=~"metric.*"})&last=8h',
    '/api/v1/metrics/query?query=rate({"metric+2"}[8h])',
    '/api/v1/evals/runs',
    `/api/v1/evals/runs/${RUN}`,
    `/api/v1/evals/runs/${RUN}/scores`,
    `/api/v1/evals/runs/${RUN}/cases`,
    `/api/v1/evals/runs/${RUN}/compare?baseline=other`,
  ])('%s', async path => {
    const [whole, split] = await Promise.all([one.get(path), mixed.get(path)]);
    expect(whole.status).toBe(200);
    expect(comparable(split.body)).toEqual(comparable(whole.body));
    expect(split.body).toMatchObject({ partial: false, shards: { total: 3, ok: 3 } });
  });

  it.each(['/api/v1/logs?text=%22LINE+7%22', '/api/v1/logs?body_contains=9'])(
    '%s, and say what was not looked into',
    async path => {
      const [whole, split] = await Promise.all([one.get(path), mixed.get(path)]);
      const reason =
        't, a tael-server, does not show log bodies of more than 8 KiB: they are not looked into';
      expect(whole.body.count).toBeGreaterThan(0);
      expect(comparable(split.body)).toEqual({
        ...(comparable(whole.body) as object),
        exact: false,
        inexact: [{ field: 'logs', reason }],
      });
    },
  );

  it.each(['traces', 'logs', 'metrics'])('%s on pages', async read => {
    const pagesOf = async (query: QueryHarness) => {
      const rows: unknown[] = [];
      let cursor: unknown;
      do {
        const at = cursor === undefined ? '' : `&cursor=${cursor}`;
        const { status, body } = await query.get(`/api/v1/${read}?limit=400${at}`);
        expect(status).toBe(200);
        rows.push(...((body.spans ?? body[read]) as unknown[]));
        cursor = body.next_cursor;
      } while (cursor !== undefined);
      return rows;
    };
    const [whole, split] = await Promise.all([pagesOf(one), pagesOf(mixed)]);
    expect(comparable(split)).toEqual(comparable(whole));
  });

  it('the comments of all, and the bytes of a blob that only the tael-server has', async () => {
    tael.comments.push(
      comment('b', '2023-11-14T22:13:20.5+00:00'),
      comment('a', '2023-11-14 22:13:19.000001'),
    );
    const { body } = await mixed.get(`/api/v1/traces/${traceId(1)}/comments`);
    const shown = [
      { ...comment('a', '2023-11-14T22:13:19.000001+00:00') },
      { ...comment('b', '2023-11-14T22:13:20.500+00:00') },
    ];
    expect(body).toMatchObject({ comments: shown, count: 2, partial: false });
    expect((await mixed.get('/api/v1/comments?limit=1')).body).toMatchObject({ comments: [shown[1]] });
    expect((await mixed.get(`/api/v1/blobs/${tael.putBlob('a prompt')}`)).text).toBe('a prompt');
    expect((await mixed.get(`/api/v1/blobs/${'0'.repeat(64)}`)).status).toBe(404);
  });
});

function comment(id: string, createdAt: string) {
  return { id, trace_id: traceId(1), span_id: null, author: 'me', body: id, created_at: createdAt };
}

/** The parameters of what the tael-server was asked on a path. */
function askedOf(path: string): Record<string, string>[] {
  const urls = tael.asked.map(url => new URL(url, 'http://tael')).filter(({ pathname }) => pathname === path);
  return urls.map(({ searchParams }) => Object.fromEntries(searchParams));
}

describe('a tael-server', () => {
  it('is asked once for each signal, however many rounds an answer takes', async () => {
    const { body } = await mixed.get('/api/v1/summary?last=8h&explain=1');
    expect((body.explain as { rounds: number }).rounds).toBeGreaterThan(1);
    expect(tael.asked.map(url => url.replace(/\?.*/, '')).toSorted()).toEqual([
      '/api/v1/logs',
      '/api/v1/metrics',
      '/api/v1/traces',
    ]);
    const { shards: costs } = body.explain as { shards: object[] };
    expect(costs).toContainEqual(expect.objectContaining({ id: 't', calls: 3 }));
  });

  it('F14: is asked for five seconds more than the window, which the proxy then cuts', async () => {
    // Its clock is five seconds ahead.
    const skewed = await startStubTaelReads('t', () => NOW_NS + 5_000_000_000n);
    const query = await startQuery([skewed.spec]);
    const edgeNs = NOW_NS - 60_000_000_000n;
    const points = [edgeNs - 1n, edgeNs].map((timeNs, value) => gauge('edge', timeNs, value));
    await send(skewed, 'metrics', metricsOf('shop', points));
    const { body } = await query.get('/api/v1/metrics?last=1m');
    expect(body).toMatchObject({ count: 1, metrics: [{ value: 1 }] });
    expect(new URL(skewed.asked[0] ?? '', skewed.spec.read).searchParams.get('last')).toBe('65');
    await Promise.all([query.stop(), skewed.stop()]);
  });

  it('F12: is asked for metrics in ever longer windows, and never with a limit that binds', async () => {
    await mixed.get('/api/v1/metrics?limit=3');
    expect(askedOf('/api/v1/metrics')).toEqual([
      { last: '65', limit: '2001' },
      { last: '965', limit: '2001' },
    ]);
    tael.asked.length = 0;
    await mixed.get('/api/v1/metrics?name=metric+5&limit=3');
    expect(askedOf('/api/v1/metrics')).toEqual([{ name: 'metric 5', limit: '6' }]);
  });

  it('is not asked for attributes that it could take for an operator', async () => {
    await mixed.get(
      '/api/v1/traces?attribute=a%3D~b&attribute=c%3Dd%3D~e&attribute=f+g%3Dh&attribute=i%3Dj%3Dk',
    );
    expect(tael.asked).toEqual([expect.stringMatching(/^\/api\/v1\/traces\?attribute=i%3Dj%3Dk&limit=\d+$/)]);
  });

  it('H7: loses neither its answer nor a row for members that are null, and shows what it does not know as null', async () => {
    const nothing = {
      service: 'holes',
      unit: null,
      attributes: { a: null, b: 'x' },
      value: null,
      metric_type: null,
    };
    const hole = { ...nothing, timestamp: '2023-11-14T22:13:20Z', name: 'hole' };
    tael.metrics.push(hole as never);
    const metrics = await mixed.get('/api/v1/metrics?service=holes');
    const row = { value: null, metric_type: 'unknown', unit: '', attributes: { b: 'x' } };
    expect(metrics.body).toMatchObject({ count: 1, metrics: [row], partial: false });
    expect(metrics.body).not.toHaveProperty('exact');
    const promql = await mixed.get('/api/v1/metrics/query?query=count({service="holes"})');
    expect(promql.body).toMatchObject({ series: [] });
    tael.metrics.pop();
  });

  it('H7: shows rows without the least, and says how many those are of which nothing can be made', async () => {
    const bare = { trace_id: 'runner/1', span_id: 'x', start_time: '2023-11-14T22:13:20.5Z' };
    tael.traces.push(
      bare as never,
      { ...bare, span_id: null } as never,
      { ...bare, start_time: null } as never,
    );
    const { body } = await mixed.get('/api/v1/traces?limit=1');
    const row = {
      ...bare,
      end_time: '2023-11-14T22:13:20.500Z',
      duration_ms: 0,
      service: '',
      status: 'unset',
    };
    expect(body).toMatchObject({ spans: [{ ...row, start_time: row.end_time, events: [] }], partial: false });
    // Its id is no key that a cursor could go on at, but has one.
    const { status } = await mixed.get(`/api/v1/traces?limit=1&cursor=${body.next_cursor}`);
    expect(status).toBe(200);
    const all = await mixed.get('/api/v1/summary');
    const reason = 't, a tael-server, sent 1 spans without an id or a time, which are left out';
    expect(all.body.inexact).toContainEqual({ field: 'traces.span_count', reason });
    tael.traces.splice(-3);
  });

  it('is not taken for a shard of ours that has come in its place since the last page', async () => {
    const { body } = await mixed.get('/api/v1/traces?limit=5');
    const [first] = shards as [TestShard];
    const asked = async (...specs: ShardSpec[]) => {
      const query = await startQuery(specs, OPTIONS);
      opened.push(query);
      const answer = await query.get(`/api/v1/traces?limit=5&cursor=${body.next_cursor}`);
      return [answer.status, answer.body.error];
    };
    const [s1, s2, t] = specs() as [ShardSpec, ShardSpec, ShardSpec];
    const ours = await asked(s1, s2, { ...specOf(first, 0), id: t.id });
    expect(ours).toEqual([410, expect.stringMatching(/it has no commit/)]);
    const theirs = await asked(s1, { ...t, id: s2.id }, t);
    expect(theirs).toEqual([410, expect.stringMatching(/a tael-server has no commits/)]);
  });

  it('gives the right ones of rows of one time, though it gives any of them first', async () => {
    const log = {
      service: 'ties',
      severity: 'info',
      body: '',
      timestamp: '2023-11-14T22:13:20Z',
      trace_id: null,
    };
    for (let second = 0; second < 10; second++)
      tael.logs.push({ ...log, observed_timestamp: `2023-11-14T22:13:2${second}Z` } as never);
    const { body } = await mixed.get('/api/v1/logs?service=ties&limit=2');
    const observed = (body.logs as { observed_timestamp: string }[]).map(row => row.observed_timestamp);
    expect(observed).toEqual(['2023-11-14T22:13:29Z', '2023-11-14T22:13:28Z']);
    tael.logs.splice(-10);
  });

  it('D12: counts and shows a span once that it lists twice', async () => {
    const before = await mixed.get('/api/v1/services');
    tael.traces.push(...tael.traces.slice(0, 5));
    expect((await mixed.get('/api/v1/services')).body).toEqual(before.body);
    const { body } = await mixed.get('/api/v1/traces?limit=2000');
    const ids = (body.spans as { trace_id: string; span_id: string }[]).map(
      span => `${span.trace_id} ${span.span_id}`,
    );
    expect(new Set(ids).size).toBe(ids.length);
    tael.traces.splice(-5);
  });

  it('searches texts by rules of its own, as the answer says', async () => {
    const { body } = await mixed.get('/api/v1/traces?text=case+%22eval+run%22');
    expect(askedOf('/api/v1/traces')).toMatchObject([{ text: '+case +eval +run +"eval run"' }]);
    const reason = expect.stringMatching(/^t, a tael-server, searches by its own rules: /);
    expect(body).toMatchObject({ exact: false, inexact: [{ field: 'spans', reason }], partial: false });
  });
});

describe('a tael-server with more rows than query.taelRowCap', () => {
  const reasonOf = (what: string) =>
    expect.stringMatching(
      `^t, a tael-server, has more than 50 ${what} to go through \\(query\\.taelRowCap\\): `,
    );
  const own = expect.stringMatching(/^t, a tael-server, has more spans .* its own figures are taken, /);

  it.each([
    ['/api/v1/anomalies', 'anomalies', 'spans'],
    ['/api/v1/metrics/query?query={__name__=~"metric.*"}&last=8h', 'series', 'metric points'],
    ['/api/v1/evals/runs', 'runs', 'spans'],
    ['/api/v1/metrics?limit=40', 'metrics', 'metric points'],
  ])('%s says that %s is not exact', async (path, field, what) => {
    const query = await proxy({ calls: { taelRowCap: 50 } });
    const { status, body } = await query.get(path);
    expect(status).toBe(200);
    const inexact = [{ field, reason: field === 'metrics' ? expect.any(String) : reasonOf(what) }];
    expect(body).toMatchObject({ exact: false, inexact, partial: false, shards: { ok: 3 } });
  });

  it('counts spans itself, and what is computed from rows is named by itself', async () => {
    const query = await proxy({ calls: { taelRowCap: 50 } });
    const [whole, split] = await Promise.all([one, query].map(each => each.get('/api/v1/summary?last=8h')));
    const counts = ['span_count', 'trace_count', 'error_count', 'error_rate', 'max_ms'];
    const countsOf = (answer: { body: Record<string, unknown> } | undefined) =>
      counts.map(name => (answer?.body.traces as Record<string, number> | undefined)?.[name]);
    expect(countsOf(split)).toEqual(countsOf(whole));
    const fields = Object.groupBy(
      split?.body.inexact as { field: string; reason: string }[],
      ({ field }) => field,
    );
    expect(Object.keys(fields).toSorted()).toEqual(
      [
        ...[...counts, 'avg_ms', 'p50_ms', 'p95_ms', 'p99_ms'].map(name => `traces.${name}`),
        ...['top_services', 'top_error_operations', 'logs', 'metrics'],
      ].toSorted(),
    );
    expect(fields['traces.span_count']).toEqual([{ field: 'traces.span_count', reason: own }]);
    expect(fields['traces.p95_ms']).toEqual([{ field: 'traces.p95_ms', reason: reasonOf('spans') }]);
    expect(fields.logs).toEqual([{ field: 'logs', reason: reasonOf('log records') }]);
  });

  it('tells of services what it has counted itself', async () => {
    const query = await proxy({ calls: { taelRowCap: 50 } });
    const [whole, split] = await Promise.all([one, query].map(each => each.get('/api/v1/services')));
    const countsOf = (answer: { body: Record<string, unknown> } | undefined) =>
      (answer?.body.services as Record<string, number>[] | undefined)?.map(
        ({ avg_duration_ms: _, ...counts }) => counts,
      );
    expect(countsOf(whole)).toHaveLength(15);
    expect(countsOf(split)).toEqual(countsOf(whole));
    expect(split?.body.inexact).toContainEqual({ field: 'services', reason: own });
  });

  it('still gives the newest spans on the first pages, and says where it cannot go on', async () => {
    const query = await proxy({ calls: { taelRowCap: 50 } });
    const path = '/api/v1/traces?limit=20';
    const [whole, split] = await Promise.all([one, query].map(each => each.get(path)));
    expect(comparable(split?.body)).toEqual(comparable(whole?.body));
    let page = split;
    for (
      let pages = 0;
      page?.body.next_cursor !== undefined && page.body.inexact === undefined && pages < 50;
      pages++
    )
      page = await query.get(`${path}&cursor=${page.body.next_cursor}`);
    expect(page?.body).toMatchObject({
      exact: false,
      inexact: [{ field: 'spans', reason: reasonOf('spans') }],
    });
  });

  it('or with a larger answer than query.maxShardAnswerBytes, gives what came first', async () => {
    const query = await proxy({ calls: { maxAnswerBytes: 20_000 } });
    const { status, body } = await query.get('/api/v1/anomalies?last=8h');
    expect(status).toBe(200);
    const reason = expect.stringMatching(/more than \d+ spans to go through \(query\.maxShardAnswerBytes\)/);
    expect(body.inexact).toEqual([{ field: 'anomalies', reason }]);
  });
});
