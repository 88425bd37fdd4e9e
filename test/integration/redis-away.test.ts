import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startIngest } from '../../src/cli/compose/ingest.ts';
import type { Ingest } from '../../src/ingest/create-ingest.ts';
import { loadConfig } from '../../src/shared/config/load.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import { createTopology } from '../../src/shared/topology/topology.ts';
import { fixedTopology } from '../../src/shared/topology/topology-source.ts';
import { scrape } from '../support/metrics.ts';
import { tracesOf } from '../support/otlp-samples.ts';
import { cannotControlRedis, startRedis, type TestRedis } from '../support/redis.ts';
import { ok, type StubOtlpShard, startStubOtlpShard } from '../support/stub-otlp-shard.ts';
import { shardSpec } from '../support/stub-shard.ts';

const hash = await createHash();

/** Within this time a sender learns that Redis is away. The median of many answers, since the machine may be busy. */
const AT_ONCE_MS = 50;
const ANSWERS = 31;

describe.skipIf(cannotControlRedis !== undefined)('an ingest replica whose Redis', () => {
  let redis: TestRedis;
  let shard: StubOtlpShard;
  let ingest: Ingest | undefined;
  let sent = 0;

  beforeEach(async () => {
    shard = await startStubOtlpShard(() => ok);
  });
  afterEach(async () => {
    redis.resume();
    await ingest?.stop();
    await shard.stop();
    await redis.stop();
  });

  async function start(): Promise<void> {
    const loaded = loadConfig({
      env: {
        OTELFAN_QUEUE_REDIS_URL: redis.url,
        OTELFAN_INGEST_HTTP_PORT: '0',
        OTELFAN_INGEST_GRPC_PORT: '0',
        OTELFAN_INGEST_METRICS_PORT: '0',
      },
    });
    if (!loaded.ok) throw new Error(loaded.errors.join('; '));
    const { config } = loaded;
    const spec = shardSpec('s0', Number(new URL(shard.url).port));
    ingest = await startIngest({
      config,
      topology: fixedTopology(createTopology({ version: 1, shards: [spec] }, hash)),
      hash,
      logger: pino({ level: 'silent' }),
      workers: 1,
      metrics: config.ingest.metrics,
    });
  }

  async function post() {
    sent += 1;
    const sinceMs = performance.now();
    const response = await fetch(`http://127.0.0.1:${ingest?.httpPort}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(tracesOf('shop', [{ trace: sent, span: sent }])),
    });
    await response.arrayBuffer();
    const retryAfter = Number(response.headers.get('retry-after'));
    return { status: response.status, retryAfter, ms: performance.now() - sinceMs };
  }

  const becomes = (status: number) =>
    expect.poll(async () => (await post()).status, { timeout: 15_000 }).toBe(status);

  async function expectRefusalsAtOnce(): Promise<void> {
    await becomes(503);
    const answers = [];
    for (let count = 0; count < ANSWERS; count += 1) answers.push(await post());
    expect(answers.filter(({ status }) => status !== 503)).toEqual([]);
    expect(answers.filter(({ retryAfter }) => retryAfter < 1 || retryAfter > 5)).toEqual([]);
    const median = answers.map(({ ms }) => ms).sort((a, b) => a - b)[(ANSWERS - 1) / 2];
    expect(median).toBeLessThan(AT_ONCE_MS);
  }

  async function expectRecovery(): Promise<void> {
    const before = shard.deliveries.length;
    await becomes(200);
    await expect.poll(() => shard.deliveries.length, { timeout: 15_000 }).toBeGreaterThan(before);
    const accounts = (await scrape(`http://127.0.0.1:${ingest?.metricsPort}`)).filter(
      ({ name }) => name === 'otelfan_unaccounted_records',
    );
    expect(accounts).not.toEqual([]);
    expect(accounts.filter(({ value }) => value !== 0)).toEqual([]);
  }

  it('is not there at the start answers 503 at once, and takes requests when it is', async () => {
    redis = await startRedis({ started: false });
    await start();
    await expectRefusalsAtOnce();
    await redis.start();
    await expectRecovery();
  });

  it('is killed answers 503 at once, and takes requests when it is back', async () => {
    redis = await startRedis();
    await start();
    await becomes(200);
    await redis.kill();
    await expectRefusalsAtOnce();
    await redis.start();
    await expectRecovery();
  });

  it('hangs answers 503 at once, and takes requests when it goes on', async () => {
    redis = await startRedis();
    await start();
    await becomes(200);
    redis.pause();
    await expectRefusalsAtOnce();
    redis.resume();
    await expectRecovery();
  });
});
