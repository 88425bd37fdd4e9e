import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type EvalSite, startEvalSite } from '../support/eval-site.ts';
import { listenLive } from '../support/live-client.ts';
import { failed, NOW_MS, startExampleSite, tracesOf } from '../support/openapi-site.ts';
import { attribute, metricsOf } from '../support/otlp-samples.ts';

/*
 * Every request of tael's command line and of its TUI (read API contract §5.3), letter by letter as the programs send it,
 * and of each answer what they read: a member that is missing or of another type shows as a dash or a zero there.
 */

const TRACE = '5b8efff798038103d269b633813fc60c';
const CASE_TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'eee19b7ec3c1b174';
const RUN = 'nightly-42';
const HASH = '17087ff66adcca0e6a6c8b8aa8b9f5a23ba86f4ed12d5f6f0e1d4ba8b3b7d7a1';

const text = z.string();
/** What serde_json hands out as an integer: `10`, not `10.0`. */
const whole = z.bigint();
const number = z.union([z.bigint(), z.number()]);
const texts = z.record(text, text);
const some = <T extends z.ZodType>(row: T) => z.array(row).nonempty();
const time = (zone: string) =>
  text.regex(
    new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{3}|\\.\\d{6}|\\.\\d{9})?${zone}$`),
  );
/** The TUI takes a span for one of 1970 when its time ends otherwise. */
const utc = time('Z');
const offset = time('\\+00:00');

const event = z.object({ name: text, timestamp: utc, attributes: texts });
const llm = z.object({ provider: text, model: text, operation: text, input_tokens: whole });
const span = z.object({
  trace_id: text,
  span_id: text,
  parent_span_id: text.nullable(),
  service: text,
  operation: text,
  start_time: utc,
  end_time: utc,
  duration_ms: number,
  status: z.enum(['ok', 'error', 'unset']),
  attributes: texts,
  events: z.array(event),
  kind: text,
});
const failedSpan = span.extend({ events: some(event), llm });
const comment = z.object({
  id: text,
  trace_id: text,
  span_id: text.nullable(),
  author: text,
  body: text,
  created_at: offset,
});
const log = z.object({
  timestamp: utc,
  observed_timestamp: utc,
  trace_id: text.nullable(),
  span_id: text.nullable(),
  severity: text,
  severity_text: text,
  body: text,
  service: text,
  attributes: texts,
});
const point = z.object({
  timestamp: utc,
  service: text,
  name: text,
  metric_type: text,
  value: number.nullable(),
  unit: text,
  attributes: texts,
});
const run = z.object({
  run_id: text,
  suite_id: text.nullable(),
  code_version: text.nullable(),
  status: text,
  case_count: whole.nullable(),
  observed_cases: whole,
  scored_cases: whole,
  passed_cases: whole,
  failed_cases: whole,
  pending_cases: whole.nullable(),
  avg_scores: z.record(text, number),
  cost_usd: number,
  started_at: offset.nullable(),
  updated_at: offset.nullable(),
});
const evalCase = z.object({
  run_id: text,
  suite_id: text.nullable(),
  case_id: text,
  trace_id: text.nullable(),
  status: text,
  started_at: offset.nullable(),
  updated_at: offset.nullable(),
  duration_ms: number.nullable(),
  scores: z.record(text, number),
  labels: texts,
  cost_usd: number,
  comments: some(comment),
});
const score = z.object({
  timestamp: offset,
  run_id: text,
  suite_id: text.nullable(),
  case_id: text,
  trace_id: text.nullable(),
  span_id: text.nullable(),
  metric: text,
  scorer: text.nullable(),
  label: text.nullable(),
  value: number,
});
const compared = z.object({
  case_id: text,
  metric: text,
  current_value: number.nullable(),
  baseline_value: number.nullable(),
  delta: number.nullable(),
  current_trace_id: text.nullable(),
  baseline_trace_id: text.nullable(),
});
const ofService = { service: text, span_count: whole, error_rate: number, p95_ms: number };
const summary = z.object({
  window_seconds: whole,
  service_filter: text.nullable(),
  traces: z.object({
    span_count: whole,
    trace_count: whole,
    error_count: whole,
    error_rate: number,
    avg_ms: number,
    max_ms: number,
    p50_ms: number,
    p95_ms: number,
    p99_ms: number,
  }),
  top_services: some(z.object(ofService)),
  top_error_operations: some(z.object({ service: text, operation: text, error_count: whole })),
  logs: z.object({ total: whole, error: whole, warn: whole, info: whole, debug: whole }),
  metrics: z.object({ point_count: whole, unique_names: whole }),
});
const anomaly = z.object({
  service: text,
  kind: text,
  severity: text,
  current: number,
  baseline: number,
  delta: number,
  description: text,
});
const anomalies = z.object({
  current_seconds: whole,
  baseline_seconds: whole,
  service_filter: text.nullable(),
  anomalies: some(anomaly),
});
const correlation = z.object({
  trace_id: text,
  span_count: whole,
  services: some(text),
  start_time: offset,
  end_time: offset,
  duration_ms: number,
  error_count: whole,
  logs: some(log),
  metrics: some(point),
});
const serviceRow = z.object({
  name: text,
  span_count: whole,
  trace_count: whole,
  avg_duration_ms: number,
  error_rate: number,
});
const series = z.object({ metric: text, labels: texts, value: number, timestamp: utc });

const spans = z.object({ spans: some(span) });
const trace = z.object({ trace_id: text, span_count: whole, spans: some(failedSpan) });
const comments = z.object({ comments: some(comment), count: whole });
const runs = z.object({ runs: some(run), count: whole });
const cases = z.object({ run_id: text, cases: some(evalCase), count: whole });

const commentBody = JSON.stringify({ kind: 'failure_review', summary: 'Größe ✓ "x"' });
const runnerSpan = {
  case_count: 1,
  case_id: 'refund',
  case_index: 0,
  run_id: RUN,
  span_id: '00f067aa0ba902b7',
  start_time: '2026-11-23T21:35:00.886435338+00:00',
  suite_id: 'support',
  trace_id: CASE_TRACE,
};

/** What is sent, to whom, and what is read of the answer. */
const WRITES: readonly [command: string, path: string, sent: string | object, read: z.ZodType][] = [
  [
    'comment add',
    `/traces/${TRACE}/comments`,
    { author: 'cli', body: 'hm', span_id: SPAN },
    z.object({ comment: comment.extend({ span_id: z.literal(SPAN) }) }),
  ],
  [
    'TUI: c',
    `/traces/${TRACE}/comments`,
    { author: 'tui', body: 'hm', span_id: SPAN },
    z.object({ comment }),
  ],
  ...['tael:issue', 'tael:signal', 'tael:self-diagnostic', 'tael:eval-case'].map(
    (author): (typeof WRITES)[number] => [
      `issue create, signal create, diagnose report, eval case add: ${author}`,
      `/traces/${CASE_TRACE}/comments`,
      { author, body: commentBody },
      z.object({ comment: comment.extend({ author: z.literal(author), body: z.literal(commentBody) }) }),
    ],
  ),
  [
    'eval run, a case begins',
    '/evals/runner-spans',
    { ...runnerSpan, duration_ms: 0, end_time: runnerSpan.start_time, status: 'unset' },
    z.object({ span: span.extend({ status: z.literal('unset') }) }),
  ],
  [
    'eval run, the case has ended',
    '/evals/runner-spans',
    { ...runnerSpan, duration_ms: 5.591, end_time: '2026-11-23T21:35:00.892026959+00:00', status: 'ok' },
    z.object({ span: span.extend({ status: z.literal('ok') }) }),
  ],
  ['eval score, a rationale', '/blobs', 'why', z.object({ sha256: text.length(64), size: z.literal(3n) })],
  [
    'eval score',
    '/evals/scores',
    { case_id: 'refund', metric: 'correctness', rationale_sha256: HASH, run_id: RUN, value: 1 },
    z.object({ score }),
  ],
];

const READS: readonly [command: string, path: string, read: z.ZodType][] = [
  [
    'query traces, all flags',
    '/traces?limit=100&service=checkout&operation=POST&min_duration_ms=1&max_duration_ms=5000&status=error&last=1h&attribute=http.route%3D%2Fpay&text=declined',
    z.object({ spans: some(failedSpan) }),
  ],
  ['query traces', '/traces?limit=100', spans],
  [
    'query logs, all flags',
    `/logs?limit=100&service=checkout&severity=error&body_contains=card&trace_id=${TRACE}&last=1h`,
    z.object({ logs: some(log), count: whole }),
  ],
  ['query logs', '/logs?limit=100', z.object({ logs: some(log), count: whole })],
  [
    'query metrics, all flags',
    '/metrics?limit=500&service=checkout&name=queue_depth&metric_type=gauge&last=1h',
    z.object({ metrics: some(point), count: whole }),
  ],
  ['query metrics', '/metrics?limit=500', z.object({ metrics: some(point), count: whole })],
  [
    'query metrics --query',
    '/metrics/query?query=sum+by+%28queue%29+%28queue_depth%7Bqueue%3D%22mail%22%7D%29&last=5m',
    z.object({ query: text, series: some(series), count: whole }),
  ],
  ['get trace', `/traces/${TRACE}`, trace],
  ['comment list', `/traces/${TRACE}/comments`, comments],
  ['services', '/services', z.object({ services: some(serviceRow) })],
  ['summarize', '/summary', summary.extend({ service_filter: z.null() })],
  ['summarize, all flags', '/summary?last=1h&service=checkout', summary],
  ['watch', '/summary?last=1m', summary],
  ['anomalies', '/anomalies', anomalies],
  ['anomalies, all flags', '/anomalies?last=1h&baseline=6h&service=checkout', anomalies],
  ['correlate', `/correlate?trace=${TRACE}`, correlation],
  ['eval runs', '/evals/runs', runs],
  ['eval status, eval report', `/evals/runs/${RUN}`, z.object({ run })],
  ['eval cases, eval report', `/evals/runs/${RUN}/cases`, cases],
  ['eval scores', `/evals/runs/${RUN}/scores`, z.object({ run_id: text, scores: some(score), count: whole })],
  [
    'eval compare',
    `/evals/runs/${RUN}/compare?baseline=nightly-41`,
    z.object({ current_run_id: text, baseline_run_id: text, cases: some(compared) }),
  ],
  [
    'eval case link, eval suite inspect, issue list, issue examples, signal trend, diagnose list',
    '/comments?limit=50000',
    comments,
  ],
  ['experiment compare', '/traces?limit=50000&last=7d', spans],
  ['TUI: at the start', '/traces?limit=200&service=checkout&status=error&last=1h', spans],
  ['TUI: Health', '/anomalies?last=1h&baseline=4h', anomalies.extend({ anomalies: z.array(anomaly) })],
];

const FAILURES: readonly [command: string, path: string, status: number, error: RegExp][] = [
  ['get trace', `/traces/${'a'.repeat(32)}`, 404, /^trace not found$/],
  ['correlate', `/correlate?trace=${'a'.repeat(32)}`, 404, /^trace not found$/],
  ['eval status', '/evals/runs/none', 404, /^eval run not found$/],
  ['query metrics --query', '/metrics/query?query=sum%28', 400, /^parse error: /],
  ['query sql, with several shards', '/sql?q=SELECT+1', 400, /^/],
];

/** As serde_json reads it, for which integers and floats are two things. */
function parsed(json: string): unknown {
  return JSON.parse(json, (_name, value: unknown, literal?: { readonly source?: string }) =>
    typeof value === 'number' && /^-?\d+$/.test(literal?.source ?? '')
      ? BigInt(literal?.source ?? '')
      : value,
  );
}

let site: EvalSite;
const API = '/api/v1';
const asTael = (path: string, init: RequestInit = {}) =>
  site.query.get(API + path, { ...init, headers: { accept: '*/*', ...init.headers } });

beforeAll(async () => {
  ({ site } = await startExampleSite());
  const depth = { timeUnixNano: `${NOW_MS}000000`, asInt: '42', attributes: [attribute('queue', 'mail')] };
  await site.send(
    'metrics',
    metricsOf('checkout', [{ name: 'queue_depth', gauge: { dataPoints: [depth] } }]),
  );
});
afterAll(() => site.stop());

describe("what tael's commands and its TUI write is taken, and answered with what they read", () => {
  it.each(WRITES)('%s: %s', async (_command, path, sent, read) => {
    const isText = typeof sent === 'string';
    // Bytes, so that no content type is sent.
    const body = isText ? Uint8Array.from(Buffer.from(sent)) : JSON.stringify(sent);
    const headers: Record<string, string> = isText ? {} : { 'content-type': 'application/json' };
    const answer = await asTael(path, { method: 'POST', body, headers });
    expect([answer.status, answer.body]).toEqual([201, expect.anything()]);
    read.parse(parsed(answer.text));
  });
});

describe("what tael's commands and its TUI ask for is answered with what they read", () => {
  it.each(READS)('%s: %s', async (_command, path, read) => {
    const answer = await asTael(path);
    expect(answer.status).toBe(200);
    read.parse(parsed(answer.text));
  });

  it.each(FAILURES)('%s fails: %s', async (_command, path, status, error) => {
    const answer = await asTael(path);
    expect([answer.status, answer.body.error]).toEqual([status, expect.stringMatching(error)]);
  });

  it('eval cases: no cases of a run that nobody knows', async () => {
    expect(await asTael('/evals/runs/none/cases')).toMatchObject({ status: 200, body: { cases: [] } });
  });

  it('server status: /healthz', async () => {
    expect(await site.query.get('/healthz')).toMatchObject({ status: 200, text: 'ok' });
  });

  it('TUI: /traces/live?service=checkout&status=error', async () => {
    const client = await listenLive(`${site.query.origin}${API}/traces/live?service=checkout&status=error`);
    try {
      await site.send('traces', tracesOf([{ ...failed(), spanId: 'eee19b7ec3c1b175' }]));
      await expect.poll(() => client.events()).toHaveLength(1);
      const data = /^data: (.*)$/m.exec(client.text())?.[1] ?? '';
      some(failedSpan).parse(parsed(data));
    } finally {
      client.close();
    }
  });
});

it('query sql, and issue list where /comments failed: /sql, on one shard', async () => {
  const single = await startEvalSite(1);
  try {
    await single.send('traces', tracesOf([failed()]));
    await single.post(`${API}/traces/${TRACE}/comments`, { body: 'hm' });
    for (const [q, row] of [
      [
        'SELECT+service%2C+count%28*%29+AS+spans+FROM+spans+GROUP+BY+service',
        z.object({ service: text, spans: whole }),
      ],
      [
        'SELECT+id%2C+trace_id%2C+span_id%2C+author%2C+body%2C+created_at%3A%3AVARCHAR+AS+created_at+FROM+trace_comments+ORDER+BY+created_at+DESC+LIMIT+50000',
        comment.extend({ created_at: text }),
      ],
    ] as const) {
      const answer = await single.query.get(`${API}/sql?q=${q}`);
      expect(answer.status).toBe(200);
      z.object({ rows: some(row), count: whole }).parse(parsed(answer.text));
    }
  } finally {
    await single.stop();
  }
});
