import { type EvalSite, startEvalSite } from './eval-site.ts';
import { type Documented, exampleBody, examplePath, OPERATIONS } from './openapi.ts';
import type { Json } from './otlp-arbitraries.ts';
import { attribute, logsOf, metricsOf, span } from './otlp-samples.ts';

/* Requests are the examples of the OpenAPI document, and what is stored is what they ask for. */

const TRACE_ID = '5b8efff798038103d269b633813fc60c';
export const NOW_MS = Date.parse('2026-11-23T21:36:00Z');
const NANOS_PER_MS = 1_000_000n;
const atNs = (time: string) => BigInt(Date.parse(time)) * NANOS_PER_MS;
const FAILED_NS = atNs('2026-11-23T21:35:03Z');

const isLive = ({ path }: Documented) => path.endsWith('/live');
export const READS = OPERATIONS.filter(each => each.method === 'get' && !isLive(each));
export const WRITES = OPERATIONS.filter(each => each.method === 'post');
export const LIVE = OPERATIONS.filter(isLive);

/** A parameter that is needed where there are several shards. */
export const NEEDED = ['shard'];

type Reply = Awaited<ReturnType<EvalSite['post']>>;

/** Three shards with what the examples ask for, and the answers to the writes, by their paths. */
export async function startExampleSite(): Promise<{
  readonly site: EvalSite;
  readonly written: ReadonlyMap<string, Reply>;
}> {
  const site = await startEvalSite(3, {
    query: { clock: { now: () => NOW_MS }, limits: { maxRows: 100_000 } },
  });
  await site.send('traces', tracesOf([failed(), ...payments()]));
  await site.send(
    'logs',
    logsOf('checkout', [declined('card declined'), declined('declined '.repeat(2000))]),
  );
  await site.send('metrics', metricsOf('checkout', [depth({ asInt: '42' }), depth({ asDouble: NaN })]));
  const of41 = { run_id: 'nightly-41', case_id: 'refund', metric: 'correctness' };
  const attributes = Object.entries(of41).map(([key, value]) => attribute(key, value));
  const dataPoints = [{ timeUnixNano: String(FAILED_NS), asDouble: 0.5, attributes }];
  await site.send('metrics', metricsOf('tael-eval', [{ name: 'tael_eval_score', gauge: { dataPoints } }]));
  const written = new Map<string, Reply>();
  for (const write of WRITES) written.set(write.path, await postExample(site, write));
  return { site, written };
}

export function postExample(
  site: EvalSite,
  write: Documented,
  { body, headers = {} }: { readonly body?: string; readonly headers?: Record<string, string> } = {},
): Promise<Reply> {
  const example = exampleBody(write);
  return site.post(examplePath(write), body ?? example.body, { 'content-type': example.type, ...headers });
}

export function failed(): Json {
  return {
    ...span({
      trace: 0,
      span: 0,
      start: FAILED_NS,
      durationNs: 42_500_000n,
      name: 'POST /pay',
      status: 2,
    }),
    kind: 2,
    traceId: TRACE_ID,
    spanId: 'eee19b7ec3c1b174',
    attributes: [
      attribute('http.route', '/pay'),
      attribute('http.response.status_code', 502),
      attribute('gen_ai.system', 'openai'),
      attribute('gen_ai.request.model', 'gpt-5'),
      attribute('gen_ai.usage.input_tokens', 12),
      attribute('gen_ai.prompt', 'Why was the card declined?'),
    ],
    events: [{ timeUnixNano: String(FAILED_NS), name: 'declined', attributes: [attribute('bank', 'down')] }],
  };
}

/** Twenty that went well hours ago, and four of the last hour: with the failed one, an anomaly. */
function payments(): Json[] {
  return Array.from({ length: 24 }, (_, index) =>
    span({
      trace: `payment ${index}`,
      span: index,
      start:
        atNs(index < 20 ? '2026-11-23T17:00:00Z' : '2026-11-23T21:00:00Z') + BigInt(index) * NANOS_PER_MS,
      durationNs: 30n * NANOS_PER_MS,
      name: 'POST /pay',
    }),
  );
}

export function tracesOf(spans: readonly Json[]): Json {
  const resource = { attributes: [attribute('service.name', 'checkout')] };
  return { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] };
}

export function declined(text: string): Json {
  return {
    timeUnixNano: String(FAILED_NS),
    observedTimeUnixNano: String(FAILED_NS),
    severityNumber: 17,
    severityText: 'ERROR',
    body: { stringValue: text },
    traceId: TRACE_ID,
    spanId: 'eee19b7ec3c1b174',
  };
}

function depth(value: Json): Json {
  const point = { timeUnixNano: String(FAILED_NS), attributes: [attribute('queue', 'mail')], ...value };
  return { name: 'queue.depth', unit: '{item}', gauge: { dataPoints: [point] } };
}
