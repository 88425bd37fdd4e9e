import { afterAll, beforeAll, expect, it } from 'vitest';
import { exampleOf } from '../support/api-docs.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { attribute, logsOf, metricsOf, span } from '../support/otlp-samples.ts';
import { postWrite } from '../support/shard-writes.ts';
import { send } from '../support/shop-data.ts';

const TRACE_ID = '5b8efff798038103d269b633813fc60c';
const SPAN_ID = 'eee19b7ec3c1b174';
const NOW_MS = Date.parse('2026-11-23T21:36:00Z');
const NANOS_PER_MS = 1_000_000n;
const atNs = (time: string) => BigInt(Date.parse(time)) * NANOS_PER_MS;
const FAILED_NS = atNs('2026-11-23T21:35:03Z');

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster(3, { clock: { now: () => NOW_MS } });
  const [s0, s1, s2] = cluster.shards as [Cluster['shards'][number], never, never];
  const failed = {
    ...span({
      trace: 0,
      span: 0,
      start: FAILED_NS,
      durationNs: 42n * NANOS_PER_MS,
      name: 'POST /pay',
      status: 2,
    }),
    kind: 2,
    traceId: TRACE_ID,
    spanId: SPAN_ID,
    attributes: [attribute('http.route', '/pay'), attribute('http.response.status_code', 502)],
  };
  await send(s0, 'traces', spansOf([failed]));
  const payments = (start: string, count: number, firstMs: bigint) =>
    Array.from({ length: count }, (_, index) =>
      span({
        trace: `${start.slice(11, 16)} ${index}`,
        span: index,
        start: atNs(start) + BigInt(index) * 300_000n * NANOS_PER_MS,
        durationNs: (firstMs + 2n * BigInt(index % 4)) * NANOS_PER_MS,
        name: 'POST /pay',
      }),
    );
  await send(s1, 'traces', spansOf(payments('2026-11-23T17:00:00Z', 20, 30n)));
  await send(s2, 'traces', spansOf(payments('2026-11-23T21:00:00Z', 4, 30n)));
  const declined = {
    timeUnixNano: String(FAILED_NS),
    observedTimeUnixNano: String(FAILED_NS),
    severityNumber: 17,
    severityText: 'ERROR',
    body: { stringValue: 'card declined' },
    traceId: TRACE_ID,
    spanId: SPAN_ID,
  };
  await send(s0, 'logs', logsOf('checkout', [declined]));
  const depth = { timeUnixNano: String(FAILED_NS), asInt: '42', attributes: [attribute('queue', 'mail')] };
  const gauge = { name: 'queue.depth', unit: '{item}', gauge: { dataPoints: [depth] } };
  await send(s1, 'metrics', metricsOf('checkout', [gauge]));
  const comment = {
    id: '0b7f2c1e-6d53-4c0a-9a63-2f4f3f0f6a11',
    traceId: TRACE_ID,
    author: 'alice',
    body: 'the bank was down',
    createdNs: String(atNs('2026-11-23T21:35:40Z')),
  };
  expect((await postWrite(s0.readUrl, 'comment', comment)).status).toBe(200);
});
afterAll(() => cluster.stop());

function spansOf(spans: readonly object[]) {
  const resource = { attributes: [attribute('service.name', 'checkout')] };
  return { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] };
}

it.each([
  '/api/v1/traces?service=checkout&status=error&last=1h',
  `/api/v1/traces/${TRACE_ID}`,
  '/api/v1/services',
  '/api/v1/logs?severity=error&body_contains=declined',
  '/api/v1/metrics?name=queue.depth',
  '/api/v1/summary?last=1h',
  '/api/v1/anomalies?last=1h&service=checkout',
  `/api/v1/correlate?trace=${TRACE_ID}`,
  `/api/v1/traces/${TRACE_ID}/comments`,
  '/api/v1/comments?limit=1',
  '/api/v1/logs?severity=warning',
])('docs/API.md shows the answer to %s', async path => {
  const example = exampleOf(path);
  const { body } = await cluster.query.get(path);
  expect(body).toMatchObject(example);
  expect(Object.keys(example)).toEqual(Object.keys(body).filter(name => name in example));
});
