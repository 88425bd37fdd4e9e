import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { traceKey } from '../../src/shared/topology/shard-key.ts';
import { type EvalSite, startEvalSite } from '../support/eval-site.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { attribute, metricsOf, type SpanSample, traceId, tracesOf } from '../support/otlp-samples.ts';

const SECOND_NS = 1_000_000_000n;
const BEGIN_NS = 1_700_000_000n * SECOND_NS;

function evalSpan(
  runId: string,
  caseId: string,
  sample: Partial<SpanSample> & { second: number },
): SpanSample {
  const { second, attributes = [], ...rest } = sample;
  return {
    trace: `${runId}-${caseId}`,
    span: second,
    start: BEGIN_NS + BigInt(second) * SECOND_NS,
    durationNs: SECOND_NS,
    ...rest,
    attributes: [
      attribute('tael.eval.run_id', runId),
      attribute('tael.eval.case_id', caseId),
      attribute('tael.eval.suite_id', 'suite'),
      ...attributes,
    ],
  };
}

/** A score that came as OTLP, with a time of its own. */
function score(
  runId: string,
  caseId: string,
  more: { metric: string; value: number | string; second: number } & Json,
) {
  const { value, second, ...attributes } = more;
  return {
    timeUnixNano: String(BEGIN_NS + BigInt(second) * SECOND_NS),
    asDouble: value,
    attributes: Object.entries({ run_id: runId, case_id: caseId, ...attributes }).map(([key, text]) =>
      attribute(key, String(text)),
    ),
  };
}

const scores = (dataPoints: readonly Json[]) =>
  metricsOf('tael-eval', [{ name: 'tael_eval_score', unit: 'score', gauge: { dataPoints } }]);

const TRACE_A = traceId('r1-a');
const TRACE_B = traceId('r1-b');

let site: EvalSite;
const runs = (path = '', site_ = site) => site_.query.get(`/api/v1/evals/runs${path}`);

beforeAll(async () => {
  site = await startEvalSite(3);
  const count = attribute('tael.eval.case_count', 2);
  await site.send(
    'traces',
    tracesOf('assistant', [
      evalSpan('r1', 'a', { second: 1, attributes: [count, attribute('tael.eval.code_version', 'abc')] }),
      evalSpan('r1', 'a', { second: 2, durationNs: 1_500_000n, attributes: [count] }),
      evalSpan('r1', 'b', { second: 3, attributes: [count] }),
      evalSpan('r0', 'a', { second: 0, status: 2 }),
      evalSpan('r/0 ?', 'ü', { second: 9 }),
      { trace: 'other', span: 1, attributes: [attribute('tael.eval.run_id', 'r1')] },
    ]),
  );
  await site.send(
    'metrics',
    scores([
      score('r1', 'a', { metric: 'correctness', value: 0.25, second: 10, label: 'fail' }),
      score('r1', 'a', { metric: 'correctness', value: 1, second: 12, scorer: 'judge', trace_id: TRACE_A }),
      score('r1', 'a', { metric: 'correctness', value: 0, second: 11 }),
      score('r1', 'a', { metric: 'cost_usd', value: 0.1, second: 10 }),
      score('r1', 'a', { metric: 'cost_usd', value: 0.2, second: 11 }),
      score('r1', 'a', { metric: 'odd', value: 'NaN', second: 10 }),
      score('r1', 'b', { metric: 'tone', value: 0.5, second: 10 }),
      score('r0', 'a', { metric: 'correctness', value: 0.75, second: 5 }),
      score('r0', 'z', { metric: 'correctness', value: 1, second: 5 }),
      score('scored-only', 'a', { metric: 'pass', value: 1, second: 5, suite_id: 'suite' }),
    ]),
  );
  for (const [trace, body] of [
    [TRACE_B, 'first'],
    [TRACE_A, 'on another case'],
    [TRACE_B, 'second'],
    [traceId('other'), 'elsewhere'],
  ] as const) {
    expect((await site.post(`/api/v1/traces/${trace}/comments`, { body, author: 'me' })).status).toBe(201);
  }
});
afterAll(() => site.stop());

const COMPLETE = { partial: false, shards: { total: 3, ok: 3, failed: [] } };

const RUN_1 = {
  run_id: 'r1',
  suite_id: 'suite',
  code_version: 'abc',
  status: 'running',
  case_count: 2,
  observed_cases: 2,
  scored_cases: 2,
  passed_cases: 1,
  failed_cases: 0,
  pending_cases: 0,
  avg_scores: { correctness: 1, tone: 0.5 },
  cost_usd: 0.2 + 0.1,
  started_at: '2023-11-14T22:13:21+00:00',
  updated_at: '2023-11-14T22:13:24+00:00',
};

describe('evals', () => {
  it('have runs, the last one that was worked on first, those without a span last', async () => {
    const { status, body } = await runs();
    expect(status).toBe(200);
    const list = body.runs as Json[];
    expect(list.map(run => run.run_id)).toEqual(['r/0 ?', 'r1', 'r0', 'scored-only']);
    expect(body).toEqual({ runs: list, count: 4, ...COMPLETE });
    expect(list[1]).toEqual(RUN_1);
    expect(list[2]).toMatchObject({ status: 'failed', case_count: null, pending_cases: null });
    expect(list[3]).toMatchObject({
      suite_id: 'suite',
      code_version: null,
      observed_cases: 0,
      scored_cases: 1,
      started_at: null,
      updated_at: null,
    });
  });

  it('have one run, also by a name with characters that mean something in a path', async () => {
    expect((await runs('/r1')).body).toEqual({ run: RUN_1, ...COMPLETE });
    const { status, body } = await runs(`/${encodeURIComponent('r/0 ?')}`);
    expect([status, body.run]).toMatchObject([200, { run_id: 'r/0 ?', observed_cases: 1 }]);
  });

  it('have the cases of a run by their ids, with the comments on their traces', async () => {
    const { body } = await runs('/r1/cases');
    const comments = (trace: string, ...bodies: string[]) =>
      bodies.map(text => ({
        id: expect.any(String) as string,
        trace_id: trace,
        span_id: null,
        author: 'me',
        body: text,
        created_at: '2023-11-14T22:13:20+00:00',
      }));
    expect(body).toEqual({
      run_id: 'r1',
      cases: [
        {
          run_id: 'r1',
          suite_id: 'suite',
          case_id: 'a',
          trace_id: TRACE_A,
          status: 'pass',
          started_at: '2023-11-14T22:13:21+00:00',
          updated_at: '2023-11-14T22:13:22.001500+00:00',
          duration_ms: 1000,
          scores: { correctness: 1, cost_usd: 0.2 },
          labels: {},
          cost_usd: 0.2 + 0.1,
          comments: comments(TRACE_A, 'on another case'),
        },
        {
          run_id: 'r1',
          suite_id: 'suite',
          case_id: 'b',
          trace_id: TRACE_B,
          status: 'running',
          started_at: '2023-11-14T22:13:23+00:00',
          updated_at: '2023-11-14T22:13:24+00:00',
          duration_ms: 1000,
          scores: { tone: 0.5 },
          labels: {},
          cost_usd: 0,
          comments: comments(TRACE_B, 'first', 'second'),
        },
      ],
      count: 2,
      ...COMPLETE,
    });
  });

  it('have all scores of a run, the newest first, replaced ones and those that are no number too', async () => {
    const { body } = await runs('/r1/scores');
    const list = body.scores as Json[];
    expect(body).toEqual({ run_id: 'r1', scores: list, count: 7, ...COMPLETE });
    expect(list[0]).toEqual({
      timestamp: '2023-11-14T22:13:32+00:00',
      run_id: 'r1',
      suite_id: null,
      case_id: 'a',
      trace_id: TRACE_A,
      span_id: null,
      metric: 'correctness',
      scorer: 'judge',
      label: null,
      value: 1,
    });
    const times = list.map(each => each.timestamp as string);
    expect(times).toEqual(times.toSorted().toReversed());
    expect(list.find(each => each.metric === 'odd')).toMatchObject({ value: null, value_text: 'NaN' });
  });

  it('have the scores of two runs side by side, by case and metric', async () => {
    const { body } = await runs('/r1/compare?baseline=r0');
    const none = { current_value: null, baseline_value: null, delta: null };
    expect(body).toEqual({
      current_run_id: 'r1',
      baseline_run_id: 'r0',
      cases: [
        { case_id: 'a', metric: 'correctness', current_value: 1, baseline_value: 0.75, delta: 0.25 },
        { ...none, case_id: 'a', metric: 'cost_usd', current_value: 0.2 },
        { ...none, case_id: 'b', metric: 'tone', current_value: 0.5 },
        { ...none, case_id: 'z', metric: 'correctness', baseline_value: 1 },
      ].map(line => ({
        ...line,
        current_trace_id: { a: TRACE_A, b: TRACE_B, z: null }[line.case_id],
        baseline_trace_id: line.case_id === 'a' ? traceId('r0-a') : null,
      })),
      ...COMPLETE,
    });
  });

  it('know nothing of another run', async () => {
    const unknown = await runs('/r');
    expect([unknown.status, unknown.body]).toEqual([404, { error: 'eval run not found', ...COMPLETE }]);
    expect((await runs('/r/cases')).body).toEqual({ run_id: 'r', cases: [], count: 0, ...COMPLETE });
    expect((await runs('/r/scores')).body).toEqual({ run_id: 'r', scores: [], count: 0, ...COMPLETE });
    expect((await runs('/r/compare?baseline=q')).body).toMatchObject({ cases: [] });
  });

  it('H5: take no run id that cannot be one', async () => {
    for (const id of ['%00', '%20', '%0a', 'x'.repeat(513), '%ZZ']) {
      for (const what of ['', '/cases', '/scores', '/compare?baseline=r0']) {
        const { status, body } = await runs(`/${id}${what}`);
        expect([id, what, status]).toEqual([id, what, 400]);
        expect(body).toEqual({ error: expect.any(String) as string });
      }
    }
    for (const [query, error] of [
      ['', /^parameter baseline is missing: expected a run id, 1 to 512/],
      ['?baseline=', /^bad baseline "": expected 1 to 512 characters/],
      ['?baseline=a&baseline=b', /^parameter baseline is given more than once/],
    ] as const) {
      const { status, body } = await runs(`/r1/compare${query}`);
      expect([status, body.error]).toEqual([400, expect.stringMatching(error)]);
    }
  });
});

describe('evals over too much', () => {
  it('are a 413 that names the setting, and never a part for the whole', async () => {
    const small = await startEvalSite(1, { query: { limits: { maxEvalRows: 3 } } });
    await small.send(
      'traces',
      tracesOf(
        'x',
        [1, 2].map(second => evalSpan('r', 'c', { second })),
      ),
    );
    await small.send('metrics', scores([score('r', 'c', { metric: 'tone', value: 1, second: 1 })]));
    const trace = traceId('r-c');
    expect((await runs('/r/cases', small)).status).toBe(200);
    await small.post(`/api/v1/traces/${trace}/comments`, { body: 'one too many' });
    expect((await runs('/r', small)).status).toBe(200);
    const error =
      'more than 3 spans, scores and comments would have to be read: ask for one run, or raise query.maxEvalRows';
    const cases = await runs('/r/cases', small);
    expect([cases.status, cases.body]).toEqual([413, { error }]);
    await small.send('traces', tracesOf('x', [evalSpan('r', 'c', { second: 3 })]));
    for (const path of ['', '/r', '/r/compare?baseline=q'])
      expect((await runs(path, small)).status).toBe(413);
    await small.stop();
  });
});

describe('evals while a shard is missing', () => {
  it('say so, and a run that was not found may be there', async () => {
    const part = await startEvalSite(2, { query: { timeoutMs: 5_000 } });
    await part.send('traces', tracesOf('x', [evalSpan('r', 'c', { second: 1 })]));
    const holder = part.ownerOf(traceKey(traceId('r-c')));
    await part.down(1 - holder);
    const found = await runs('/r', part);
    expect([found.status, found.body.partial]).toEqual([200, true]);
    expect(found.headers.get('otelfan-missing-shards')).toBe(`s${1 - holder}`);
    const unknown = await runs('/q', part);
    expect(unknown.status).toBe(503);
    expect(unknown.body.error).toMatch(/^eval run not found, but not every shard answered: /);
    expect((await runs('?partial=false', part)).status).toBe(503);
    await part.stop();
  });
});

describe('D19: evals', () => {
  it('G5: do not vanish behind 50 000 newer spans, nor do their comments', async () => {
    // Tens of thousands of spans, on however busy a machine.
    const large = await startEvalSite(2, { query: { timeoutMs: 60_000 } });
    const old = evalSpan('old', 'a', { second: 0 });
    await large.send('traces', tracesOf('x', [old]));
    await large.post(`/api/v1/traces/${traceId('old-a')}/comments`, { body: 'still here' });
    for (let batch = 0; batch < 6; batch++) {
      const newer = Array.from({ length: 9_000 }, (_, index) =>
        evalSpan('new', `c${batch}`, {
          second: 100,
          trace: `t${batch}-${index % 50}`,
          span: `${index}`,
        }),
      );
      await large.send('traces', tracesOf('x', newer));
    }
    const { body } = await runs('', large);
    expect(body).toMatchObject({
      runs: [
        { run_id: 'new', observed_cases: 6 },
        { run_id: 'old', observed_cases: 1 },
      ],
      partial: false,
    });
    expect((await runs('/old/cases', large)).body).toMatchObject({
      cases: [{ case_id: 'a', comments: [{ body: 'still here' }] }],
    });
    await large.stop();
  });

  it('take a score that is posted later, whatever was scored before', async () => {
    const later = { run_id: 'r1', case_id: 'b', metric: 'tone', value: 0.75 };
    const now = { now: () => 1_700_000_500_000 };
    const again = await startEvalSite(1, { query: { clock: now } });
    await again.send('metrics', scores([score('r1', 'b', { metric: 'tone', value: 0.5, second: 10 })]));
    await again.post('/api/v1/evals/scores', later);
    expect((await runs('/r1', again)).body.run).toMatchObject({ avg_scores: { tone: 0.75 } });
    expect((await runs('/r1/scores', again)).body).toMatchObject({
      count: 2,
      scores: [{ value: 0.75 }, { value: 0.5 }],
    });
    await again.stop();
  });
});
