import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EvalSite, startEvalSite } from '../support/eval-site.ts';
import { attribute, metricsOf, spanId, traceId, tracesOf } from '../support/otlp-samples.ts';

/** Each round has runs and traces of its own, so that one pair of sites serves all rounds. */
let round = 0;
const RUNS = ['run', 'run/2', 'r ü'] as const;
const CASES = ['a', 'b', 'c'] as const;
/** Sums of these depend on the order of the additions. */
const value = fc.constantFrom(0.1, 0.2, 0.3, 1, 0, 1e16, -1e16, 1e-9, 0.7);
const second = fc.integer({ min: 0, max: 5 });
const place = { run: fc.constantFrom(...RUNS), case: fc.constantFrom(...CASES) };
const metric = fc.constantFrom('correctness', 'pass', 'tone', 'cost_usd');
const label = fc.constantFrom('', 'pass', 'failed', 'meh');

/** What happens to both sides, one after the other. */
const action = fc.oneof(
  fc.record({
    kind: fc.constant('spans' as const),
    ...place,
    trace: fc.integer({ min: 0, max: 5 }),
    span: fc.integer({ min: 1, max: 3 }),
    second,
    status: fc.constantFrom(0, 1, 2),
    caseCount: fc.constantFrom('1', '2', '3', 'many'),
    codeVersion: fc.constantFrom('v1', 'v2'),
  }),
  fc.record({
    kind: fc.constant('points' as const),
    ...place,
    metric,
    label,
    second,
    values: fc.array(value),
  }),
  fc.record({ kind: fc.constant('score' as const), ...place, metric, label, value }),
  fc.record({
    kind: fc.constant('runner' as const),
    ...place,
    trace: fc.integer({ min: 0, max: 5 }),
    second,
    status: fc.constantFrom('unset', 'ok', 'error'),
  }),
  fc.record({ kind: fc.constant('comment' as const), trace: fc.integer({ min: 0, max: 5 }) }),
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

const BEGIN_S = 1_700_000_000;
const trace = (number: number) => `${round} ${number}`;
const runId = (name: string) => `${name} ${round}`;

async function act(site: EvalSite, what: Action): Promise<void> {
  switch (what.kind) {
    case 'spans': {
      const attributes = [
        attribute('tael.eval.run_id', runId(what.run)),
        attribute('tael.eval.case_id', what.case),
        attribute('tael.eval.case_count', what.caseCount),
        attribute('tael.eval.code_version', what.codeVersion),
      ];
      const start = BigInt(BEGIN_S + what.second) * 1_000_000_000n;
      const spans = [
        { trace: trace(what.trace), span: what.span, start, status: what.status, attributes },
        { trace: trace(what.trace + 1), span: what.span + 3, start, durationNs: 7_500_000n, attributes },
      ];
      return site.send('traces', tracesOf('app', spans));
    }
    case 'points': {
      const attributes = Object.entries({
        run_id: runId(what.run),
        case_id: what.case,
        metric: what.metric,
        label: what.label,
      });
      const timeUnixNano = `${BEGIN_S + what.second}000000000`;
      const dataPoints = what.values.map(asDouble => ({
        timeUnixNano,
        asDouble,
        attributes: attributes.map(([key, text]) => attribute(key, text)),
      }));
      return site.send('metrics', metricsOf('judge', [{ name: 'tael_eval_score', gauge: { dataPoints } }]));
    }
    case 'score': {
      const { run, case: caseId, metric, label, value } = what;
      return posted(site, '/api/v1/evals/scores', {
        run_id: runId(run),
        case_id: caseId,
        metric,
        label,
        value,
      });
    }
    case 'runner':
      return posted(site, '/api/v1/evals/runner-spans', {
        suite_id: 'suite',
        run_id: runId(what.run),
        case_id: what.case,
        trace_id: traceId(trace(what.trace)),
        span_id: spanId('runner'),
        start_time: new Date((BEGIN_S + what.second) * 1000).toISOString(),
        duration_ms: 1.5,
        status: what.status,
      });
    case 'comment':
      return posted(site, `/api/v1/traces/${traceId(trace(what.trace))}/comments`, { body: 'hm' });
  }
}

async function posted(site: EvalSite, path: string, body: object): Promise<void> {
  const { status, text } = await site.post(path, body);
  if (status !== 201) throw new Error(text);
}

const paths = () => [
  '/evals/runs',
  ...RUNS.map(name => encodeURIComponent(runId(name))).flatMap(run => [
    `/evals/runs/${run}`,
    `/evals/runs/${run}/cases`,
    `/evals/runs/${run}/scores`,
    `/evals/runs/${run}/compare?baseline=${encodeURIComponent(runId('run'))}`,
  ]),
];

/** Every answer as text, without the count of shards. */
async function answersOf(site: EvalSite): Promise<string[]> {
  const answers: string[] = [];
  for (const path of paths()) {
    const { status, text } = await site.query.get(`/api/v1${path}`);
    answers.push(`${path} ${status} ${text.replace(/"shards":.*$/, '')}`);
  }
  return answers;
}

/** Ids and times that come out the same on both sides. */
function fixed() {
  let ids = 0;
  let nowMs = BEGIN_S * 1000;
  return { newId: () => `id-${String(ids++).padStart(6, '0')}`, clock: { now: () => (nowMs += 500) } };
}

let one: EvalSite;
let three: EvalSite;
beforeAll(async () => {
  one = await startEvalSite(1, { query: fixed() });
  three = await startEvalSite(3, { query: fixed() });
});
afterAll(() => Promise.all([one.stop(), three.stop()]));

it('evals over three shards are those of one shard with all the data, byte for byte', async () => {
  const everything = fc.array(action, { minLength: 5, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(everything, async actions => {
      round++;
      for (const each of actions) await Promise.all([act(one, each), act(three, each)]);
      expect(await answersOf(three)).toEqual(await answersOf(one));
    }),
    // What a round stores stays, so that a smaller example of it would be another one.
    { numRuns: 5, endOnFailure: true },
  );
});
