import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EvalSite, startEvalSite } from '../support/eval-site.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { attribute, spanId, traceId, tracesOf } from '../support/otlp-samples.ts';
import { sha256 } from '../support/shard-writes.ts';

/*
 * What the commands of tael's CLI send (read API contract §5.3), one after the other, and what they need of the answers.
 */

const RUN = 'run-2026-11-23';
const BASELINE = 'run-2026-11-22';
const START = '2026-11-23T21:35:03.000000001+00:00';
const END = '2026-11-23T21:35:05.000000001+00:00';

let site: EvalSite;
beforeAll(async () => {
  let nowMs = 1_795_469_705_000;
  site = await startEvalSite(3, { query: { clock: { now: () => (nowMs += 1000) } } });
});
afterAll(() => site.stop());

const JSON_HEADERS = { accept: '*/*', 'content-type': 'application/json' };
const get = async (path: string) => (await site.query.get(`/api/v1${path}`)).body;
const post = (path: string, body: object) => site.post(`/api/v1${path}`, body, JSON_HEADERS);
/** Bytes, so that no content-type is sent. */
const postBlob = (text: string) =>
  site.post('/api/v1/blobs', Uint8Array.from(Buffer.from(text)), { accept: '*/*' });

function runnerSpan(runId: string, caseId: string, more: { end: string; duration: number; status: string }) {
  return post('/evals/runner-spans', {
    suite_id: 'support',
    run_id: runId,
    case_id: caseId,
    trace_id: traceId(`${runId.slice(-2)} ${caseId}`),
    span_id: spanId(caseId),
    case_index: caseId === 'refund' ? 0 : 1,
    case_count: 2,
    code_version: null,
    status: more.status,
    start_time: START,
    end_time: more.end,
    duration_ms: more.duration,
  });
}
const begin = (runId: string, caseId: string) =>
  runnerSpan(runId, caseId, { end: START, duration: 0, status: 'unset' });
const finish = (runId: string, caseId: string) =>
  runnerSpan(runId, caseId, { end: END, duration: 2000, status: 'ok' });

const TRACE = traceId('23 refund');

describe("tael's commands", () => {
  it('eval run: every case is a span that has begun and then the same span that has ended', async () => {
    const begun = await begin(RUN, 'refund');
    expect([begun.status, begun.body.span]).toMatchObject([201, { status: 'unset', duration_ms: 0 }]);
    expect(await get(`/evals/runs/${RUN}`)).toMatchObject({
      run: { suite_id: 'support', status: 'running', case_count: 2, observed_cases: 1, pending_cases: 1 },
    });
    // The command of the case meanwhile exports with what it finds in its environment.
    const attributes = [attribute('tael.eval.run_id', RUN), attribute('tael.eval.case_id', 'refund')];
    const start = 1_795_469_704_000_000_000n;
    await site.send(
      'traces',
      tracesOf('assistant', [{ trace: '23 refund', span: 'app', start, attributes }]),
    );
    const ended = await finish(RUN, 'refund');
    expect([ended.status, ended.body.span]).toMatchObject([201, { status: 'ok', duration_ms: 2000 }]);
    await begin(RUN, 'greeting');
    await finish(RUN, 'greeting');

    expect(await get(`/traces/${TRACE}`)).toMatchObject({
      span_count: 2,
      spans: [
        { service: 'tael-eval-runner', status: 'ok', end_time: '2026-11-23T21:35:05.000000001Z' },
        { service: 'assistant' },
      ],
    });
    expect(await get(`/evals/runs/${RUN}`)).toMatchObject({
      run: { status: 'running', observed_cases: 2, scored_cases: 0, pending_cases: 0 },
    });
  });

  it('eval score: every line of the file is a score, its rationale a blob', async () => {
    for (const [line, rationale] of [
      [{ case_id: 'refund', metric: 'correctness', value: 1, trace_id: TRACE }, 'Refunded in full.'],
      [{ case_id: 'greeting', metric: 'correctness', value: 1, label: 'pass' }, undefined],
      [{ case_id: 'greeting', metric: 'cost_usd', value: 0.25, note: 'of the line alone' }, undefined],
    ] as const) {
      const stored = rationale === undefined ? undefined : await postBlob(rationale);
      expect(stored?.body).toEqual(
        rationale && { sha256: sha256(rationale), size: Buffer.byteLength(rationale) },
      );
      const { status, body } = await post('/evals/scores', {
        ...line,
        ...(rationale !== undefined && { rationale, rationale_sha256: stored?.body.sha256 }),
        run_id: RUN,
      });
      const { case_id, metric, value } = line;
      expect([status, body.score]).toMatchObject([201, { run_id: RUN, case_id, metric, value }]);
    }
    const points = (await get('/metrics?name=tael_eval_score&limit=10')).metrics as Json[];
    const hash = points.flatMap(({ attributes }) => (attributes as Json).rationale_sha256 ?? []);
    expect(hash).toEqual([sha256('Refunded in full.')]);
    expect((await site.query.get(`/api/v1/blobs/${String(hash[0])}`)).text).toBe('Refunded in full.');
  });

  it('eval report, eval status, eval scores: the run and its cases', async () => {
    expect((await get('/evals/runs')).runs).toMatchObject([{ run_id: RUN, status: 'complete' }]);
    expect(await get(`/evals/runs/${RUN}`)).toMatchObject({
      run: { status: 'complete', passed_cases: 2, avg_scores: { correctness: 1 }, cost_usd: 0.25 },
    });
    expect((await get(`/evals/runs/${RUN}/cases`)).cases).toMatchObject([
      { case_id: 'greeting', status: 'pass', scores: { correctness: 1, cost_usd: 0.25 }, duration_ms: 2000 },
      { case_id: 'refund', status: 'pass', trace_id: TRACE, comments: [] },
    ]);
    expect(await get(`/evals/runs/${RUN}/scores`)).toMatchObject({ count: 3 });
  });

  it('eval score once more: the new score is the one that counts', async () => {
    await post('/evals/scores', { run_id: RUN, case_id: 'greeting', metric: 'correctness', value: 0 });
    expect(await get(`/evals/runs/${RUN}`)).toMatchObject({
      run: { status: 'failed', passed_cases: 1, failed_cases: 1, avg_scores: { correctness: 0.5 } },
    });
  });

  it('eval compare: one run beside another', async () => {
    await finish(BASELINE, 'refund');
    await post('/evals/scores', { run_id: BASELINE, case_id: 'refund', metric: 'correctness', value: 0.5 });
    const { cases } = await get(`/evals/runs/${RUN}/compare?baseline=${BASELINE}`);
    expect((cases as Json[]).find(({ case_id }) => case_id === 'refund')).toEqual({
      case_id: 'refund',
      metric: 'correctness',
      current_value: 1,
      baseline_value: 0.5,
      delta: 0.5,
      current_trace_id: TRACE,
      baseline_trace_id: traceId('22 refund'),
    });
  });

  it('eval case add, eval case link: comments whose text comes back as it was', async () => {
    const body = JSON.stringify({ kind: 'eval_case', case_id: 'refund', note: 'Größe ✓ "x"\n' });
    for (const trace of [TRACE, 'trace-of-another-system']) {
      const { status, body: answer } = await post(`/traces/${trace}/comments`, {
        author: 'tael:eval-case',
        body,
      });
      expect([status, answer.comment]).toEqual([
        201,
        {
          id: expect.any(String) as string,
          trace_id: trace,
          span_id: null,
          author: 'tael:eval-case',
          body,
          created_at: expect.stringMatching(/^2026-11-23T21:\d\d:\d\d\+00:00$/) as string,
        },
      ]);
    }
    expect((await get(`/evals/runs/${RUN}/cases`)).cases).toMatchObject([
      { case_id: 'greeting', comments: [] },
      { case_id: 'refund', comments: [{ author: 'tael:eval-case', body }] },
    ]);
  });
});
