import { describe, expect, it } from 'vitest';
import { caseStatus } from '../../../../src/query/evals/case.ts';
import { createEvalFacts, type RunFacts } from '../../../../src/query/evals/facts.ts';
import type { EvalSpan, ScorePoint } from '../../../../src/query/evals/rows.ts';
import { runOf } from '../../../../src/query/evals/run.ts';

interface SpanSample {
  readonly trace?: string;
  readonly status?: string;
  readonly second?: number;
  readonly durationMs?: number;
  readonly attributes?: Record<string, string>;
}

const second = (second: number) => `2023-11-14T22:13:${String(second).padStart(2, '0')}Z`;

function spanOf(
  caseId: string,
  { trace = 't', status = 'unset', second: at = 20, ...rest }: SpanSample = {},
): EvalSpan {
  return {
    trace_id: trace,
    start_time: second(at),
    end_time: second(at + 1),
    duration_ms: rest.durationMs ?? 1000,
    status,
    attributes: { 'tael.eval.run_id': 'run', 'tael.eval.case_id': caseId, ...rest.attributes },
  };
}

function pointOf(
  caseId: string,
  metric: string,
  value: number | null,
  more: Record<string, string> = {},
): ScorePoint {
  return { timestamp: second(30), value, attributes: { run_id: 'run', case_id: caseId, metric, ...more } };
}

/** Rows as they come, the newest first. */
function factsOf(spans: readonly EvalSpan[], points: readonly ScorePoint[]): RunFacts {
  const facts = createEvalFacts();
  for (const span of spans) facts.addSpan(span);
  for (const point of points) facts.addScore(point);
  return facts.runs.get('run') ?? { cases: new Map() };
}

describe('the status of a case', () => {
  const statusOf = (spans: readonly EvalSpan[], points: readonly ScorePoint[]) => {
    const facts = factsOf(spans, points).cases.get('c');
    return facts && caseStatus(facts);
  };

  it.each<[string, EvalSpan[], ScorePoint[], string]>([
    [
      'fail with an error span, whatever was scored',
      [spanOf('c', { status: 'error' }), spanOf('c')],
      [pointOf('c', 'pass', 1, { label: 'pass' })],
      'fail',
    ],
    [
      'fail with a label that says so, though another says pass',
      [],
      [pointOf('c', 'a', 1, { label: 'pass' }), pointOf('c', 'b', 1, { label: 'failed' })],
      'fail',
    ],
    ['fail with the label error', [], [pointOf('c', 'a', 1, { label: 'error' })], 'fail'],
    [
      'pass with a label that says so, though a number does not',
      [],
      [pointOf('c', 'pass', 0, { label: 'ok' })],
      'pass',
    ],
    [
      'pass from 1 on for the metric pass',
      [],
      [pointOf('c', 'pass', 1), pointOf('c', 'correctness', 0)],
      'pass',
    ],
    [
      'fail below 1 for the metric pass',
      [],
      [pointOf('c', 'pass', 0.99), pointOf('c', 'correctness', 1)],
      'fail',
    ],
    ['what correctness says without pass', [], [pointOf('c', 'correctness', 1)], 'pass'],
    ['fail for a correctness below 1', [], [pointOf('c', 'correctness', 0.5)], 'fail'],
    [
      'running with a trace and other scores',
      [spanOf('c', { status: 'ok' })],
      [pointOf('c', 'latency', 3)],
      'running',
    ],
    ['pending without a trace', [], [pointOf('c', 'latency', 3, { label: 'meh' })], 'pending'],
  ])('is %s', (_what, spans, points, expected) => {
    expect(statusOf(spans, points)).toBe(expected);
  });
});

describe('D19: the newest score of a metric', () => {
  it('is the one that counts, with its label or without', () => {
    const facts = factsOf(
      [],
      [
        pointOf('c', 'correctness', 1),
        pointOf('c', 'correctness', 0, { label: 'fail' }),
        pointOf('c', 'tone', 0.25, { label: 'pass' }),
      ],
    ).cases.get('c');
    expect([...(facts?.scores ?? [])]).toEqual([
      ['correctness', 1],
      ['tone', 0.25],
    ]);
    expect([...(facts?.labels ?? [])]).toEqual([['tone', 'pass']]);
  });

  it('that is no number leaves the one before it', () => {
    const facts = factsOf([], [pointOf('c', 'correctness', null), pointOf('c', 'correctness', 0.5)]);
    expect(facts.cases.get('c')?.scores.get('correctness')).toBe(0.5);
  });

  it('is all that there is of a metric, but costs add up', () => {
    const facts = factsOf([], [pointOf('c', 'cost_usd', 0.5), pointOf('c', 'cost_usd', 0.25)]).cases.get('c');
    expect([facts?.scores.get('cost_usd'), facts?.costUsd]).toEqual([0.5, 0.75]);
  });
});

describe('D19: a run', () => {
  const counted = { attributes: { 'tael.eval.case_count': '2' } };
  const statusOf = (spans: readonly EvalSpan[], points: readonly ScorePoint[]) =>
    runOf('run', factsOf(spans, points)).status;

  it.each<[string, EvalSpan[], ScorePoint[], string]>([
    [
      'is not complete when its last case starts',
      [spanOf('b', counted), spanOf('a', counted)],
      [pointOf('a', 'pass', 1)],
      'running',
    ],
    [
      'is not complete when its last case is scored without a verdict',
      [spanOf('b', counted), spanOf('a', counted)],
      [pointOf('a', 'pass', 1), pointOf('b', 'tone', 1)],
      'running',
    ],
    [
      'is complete when every case has passed',
      [spanOf('b', counted), spanOf('a', counted)],
      [pointOf('a', 'pass', 1), pointOf('b', 'pass', 1)],
      'complete',
    ],
    [
      'is not complete before all announced cases are there',
      [spanOf('a', counted)],
      [pointOf('a', 'pass', 1)],
      'running',
    ],
    [
      'is not complete while a case that was not announced runs',
      [spanOf('c', counted), spanOf('b', counted), spanOf('a', counted)],
      [pointOf('a', 'pass', 1), pointOf('b', 'pass', 1)],
      'running',
    ],
    [
      'is running while nobody knows how many cases there are',
      [spanOf('a')],
      [pointOf('a', 'pass', 1)],
      'running',
    ],
    ['has failed as soon as one case has', [spanOf('a', counted)], [pointOf('a', 'pass', 0)], 'failed'],
  ])('%s', (_what, spans, points, expected) => {
    expect(statusOf(spans, points)).toBe(expected);
  });

  it('of nothing is unknown', () => {
    expect(runOf('run', { cases: new Map() }).status).toBe('unknown');
  });
});

describe('a run', () => {
  it('is put together from the newest of what was said once, the edges and the means', () => {
    const spans = [
      spanOf('b', { second: 25, trace: 'tb', attributes: { 'tael.eval.code_version': 'v2' } }),
      spanOf('a', { second: 24, trace: 'ta2', durationMs: 5, attributes: { 'tael.eval.suite_id': 'new' } }),
      spanOf('a', {
        second: 21,
        trace: 'ta1',
        attributes: {
          'tael.eval.suite_id': 'old',
          'tael.eval.code_version': 'v1',
          'tael.eval.case_count': '3',
        },
      }),
      spanOf('a', { second: 20, attributes: { 'tael.eval.case_count': '03 cases' } }),
    ];
    const points = [
      pointOf('b', 'correctness', 0.5),
      pointOf('a', 'correctness', 1),
      pointOf('a', 'cost_usd', 0.1),
      pointOf('d', 'cost_usd', 0.2),
    ];
    expect(runOf('run', factsOf(spans, points))).toEqual({
      run_id: 'run',
      suite_id: 'new',
      code_version: 'v2',
      status: 'failed',
      case_count: 3,
      observed_cases: 2,
      scored_cases: 3,
      passed_cases: 1,
      failed_cases: 1,
      pending_cases: 0,
      avg_scores: { correctness: 0.75 },
      cost_usd: 0.1 + 0.2,
      started_at: '2023-11-14T22:13:20+00:00',
      updated_at: '2023-11-14T22:13:26+00:00',
    });
  });

  it('has no part of spans and points that lack the run or the case', () => {
    const facts = createEvalFacts();
    facts.addSpan(spanOf(''));
    facts.addSpan({ ...spanOf('c'), attributes: { 'tael.eval.case_id': 'c' } });
    facts.addScore(pointOf('', 'pass', 1));
    facts.addScore(pointOf('c', '', 1));
    expect(facts.runs.size).toBe(0);
  });
});
