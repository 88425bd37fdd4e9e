import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startIngest } from '../../src/cli/compose/ingest.ts';
import type { Ingest } from '../../src/ingest/create-ingest.ts';
import { loadConfig } from '../../src/shared/config/load.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import { createTopology } from '../../src/shared/topology/topology.ts';
import { fixedTopology } from '../../src/shared/topology/topology-source.ts';
import { scrape, sumOf } from '../support/metrics.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { tracesOf } from '../support/otlp-samples.ts';
import { type Answer, ok, type StubOtlpShard, startStubOtlpShard } from '../support/stub-otlp-shard.ts';
import { shardSpec } from '../support/stub-shard.ts';
import { temporaryFolder } from '../support/systems.ts';

const hash = await createHash();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let shard: StubOtlpShard;
let answer: Answer;
let ingest: Ingest | undefined;
beforeEach(async () => {
  folder = await temporaryFolder();
  answer = ok;
  shard = await startStubOtlpShard(() => answer);
});
afterEach(async () => {
  await ingest?.stop();
  await shard.stop();
  await folder.remove();
});

/** A replica in this process, on the embedded queue, with one shard. */
async function start(env: Record<string, string> = {}): Promise<Ingest> {
  const loaded = loadConfig({
    env: {
      OTELFAN_DATA_DIR: folder.path,
      OTELFAN_INGEST_HTTP_PORT: '0',
      OTELFAN_INGEST_GRPC_PORT: '0',
      OTELFAN_INGEST_HEALTH_PORT: '0',
      OTELFAN_INGEST_METRICS_PORT: '0',
      OTELFAN_DELIVERY_RETRY_MAX: '200ms',
      ...env,
    },
  });
  if (!loaded.ok) throw new Error(loaded.errors.join('; '));
  const { config } = loaded;
  const spec = shardSpec('s0', Number(new URL(shard.url).port));
  const started = await startIngest({
    config,
    topology: fixedTopology(createTopology({ version: 3, shards: [spec] }, hash)),
    hash,
    logger: pino({ level: 'silent' }),
    workers: 1,
    health: config.ingest.health,
    metrics: config.ingest.metrics,
  });
  ingest = started;
  return started;
}

async function post({ httpPort }: Ingest, body: string): Promise<{ status: number; answer: Json }> {
  const response = await fetch(`http://127.0.0.1:${httpPort}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return { status: response.status, answer: (await response.json()) as Json };
}

const metricsOf = ({ metricsPort }: Ingest) => scrape(`http://127.0.0.1:${metricsPort}`);

async function readiness({ healthPort }: Ingest): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${healthPort}/readyz`);
  return { status: response.status, text: await response.text() };
}

describe('an ingest replica in one process', () => {
  it('counts what came, what it answered, and what its shard got', async () => {
    const replica = await start();
    const request = tracesOf('shop', [
      { trace: 1, span: 1 },
      { trace: 1, span: 2 },
    ]);
    const [{ scopeSpans }] = request.resourceSpans as [{ scopeSpans: [{ spans: Json[] }] }];
    scopeSpans[0].spans.push({ traceId: '00', spanId: '01', name: 'no id' });
    expect(await post(replica, JSON.stringify(request))).toMatchObject({
      status: 200,
      answer: { partialSuccess: { rejectedSpans: '1' } },
    });
    expect((await post(replica, '{')).status).toBe(400);

    await expect
      .poll(async () => sumOf(await metricsOf(replica), 'otelcol_exporter_sent_spans_total'))
      .toBe(2);
    const series = await metricsOf(replica);
    const sum = (name: string, labels: Record<string, string> = {}) => sumOf(series, name, labels);
    expect(sum('otelcol_receiver_accepted_spans_total', { transport: 'http' })).toBe(2);
    expect(sum('otelcol_receiver_refused_spans_total', { transport: 'http' })).toBe(1);
    expect(sum('otelfan_rejected_records_total')).toBe(1);
    expect(sum('otelfan_partial_success_total')).toBe(1);
    expect(sum('otelfan_requests_total', { condition: 'accepted', process: 'primary' })).toBe(1);
    expect(sum('otelfan_requests_total', { condition: 'malformed' })).toBe(1);
    expect(sum('otelfan_request_duration_seconds_count')).toBe(2);
    expect(sum('otelfan_hot_key_records', { signal: 'traces', shard: 's0' })).toBeGreaterThan(0);
    expect(sum('otelfan_lane_breaker_state', { shard: 's0', state: 'closed' })).toBe(1);
    expect(sum('otelfan_topology_version')).toBe(3);
    expect(sum('otelfan_topology_hash')).toBeGreaterThan(0);
    expect(sum('otelfan_delivery_horizon_seconds')).toBe(86_400);
    expect(sum('otelfan_ready')).toBe(1);
    expect(sum('otelfan_topology_slots_ratio', { shard: 's0' })).toBe(1);
    expect(sum('otelfan_unaccounted_records')).toBe(0);
    expect(sum('otelfan_requests_in_flight')).toBe(0);
    expect(sum('otelfan_build_info')).toBe(1);
  });

  it('is not ready while the queue is full, counts whom it turned away, and is ready after that', async () => {
    answer = { status: 503 };
    const replica = await start({ OTELFAN_QUEUE_MAX_BYTES: '1000B' });
    expect(await readiness(replica)).toEqual({ status: 200, text: 'ready\n' });
    let sent = 0;
    await expect
      .poll(async () => {
        sent += 1;
        const spans = Array.from({ length: 20 }, (_, span) => ({ trace: sent, span }));
        return (await post(replica, JSON.stringify(tracesOf('shop', spans)))).status;
      })
      .toBe(503);
    const unready = await readiness(replica);
    expect(unready.status).toBe(503);
    expect(unready.text).toContain('queue.maxBytes is 1000');
    const series = await metricsOf(replica);
    expect(sumOf(series, 'otelfan_ready')).toBe(0);
    expect(sumOf(series, 'otelfan_admission_refused_total', { reason: 'queue' })).toBeGreaterThan(0);
    expect(sumOf(series, 'otelfan_requests_total', { condition: 'unavailable' })).toBeGreaterThan(0);

    answer = ok;
    await expect.poll(async () => (await readiness(replica)).status, { timeout: 15_000 }).toBe(200);
    expect(sumOf(await metricsOf(replica), 'otelfan_queue_bytes')).toBe(0);
  });

  it('turns requests away while it is late with its work, naming the setting, and takes them after that', async () => {
    const replica = await start({ OTELFAN_INGEST_MAX_EVENT_LOOP_DELAY: '30ms' });
    const body = JSON.stringify(tracesOf('shop', [{ trace: 1, span: 1 }]));
    const postWhileLate = () => {
      for (const end = performance.now() + 300; performance.now() < end; );
      return post(replica, body);
    };
    let posted = await postWhileLate();
    const isRefused = async () => {
      posted = await postWhileLate();
      return posted.status === 503;
    };
    await expect.poll(isRefused, { interval: 1, timeout: 15_000 }).toBe(true);
    expect(posted.answer.message).toContain('raise ingest.maxEventLoopDelay');
    const series = await metricsOf(replica);
    expect(sumOf(series, 'otelfan_admission_refused_total', { reason: 'event_loop_delay' })).toBeGreaterThan(
      0,
    );
    await expect
      .poll(async () => (await post(replica, body)).status, { interval: 300, timeout: 15_000 })
      .toBe(200);
  });
});
