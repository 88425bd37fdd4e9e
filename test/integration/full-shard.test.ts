import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startIngest } from '../../src/cli/compose/ingest.ts';
import type { Ingest } from '../../src/ingest/create-ingest.ts';
import { loadConfig } from '../../src/shared/config/load.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import { createTopology } from '../../src/shared/topology/topology.ts';
import { fixedTopology } from '../../src/shared/topology/topology-source.ts';
import { expectFolderConserved } from '../support/conservation.ts';
import { scrape, sumOf } from '../support/metrics.ts';
import { tracesOf } from '../support/otlp-samples.ts';
import { ok, type StubOtlpShard, startStubOtlpShard } from '../support/stub-otlp-shard.ts';
import { shardSpec } from '../support/stub-shard.ts';
import { temporaryFolder } from '../support/systems.ts';

const hash = await createHash();
const SPANS = 40;
/** More than what passes through a shard that is well between two looks at its queue. */
const MAX_SHARD_BYTES = 15_000;
const POST_EVERY_MS = 200;

describe('a shard that is down while its queue is full', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let well: StubOtlpShard;
  let down: StubOtlpShard;
  let ingest: Ingest;
  let sent = 0;

  beforeEach(async () => {
    folder = await temporaryFolder();
    well = await startStubOtlpShard(() => ok);
    down = await startStubOtlpShard(() => ({ status: 503 }));
  });
  afterEach(async () => {
    await ingest.stop();
    await well.stop();
    await down.stop();
    await expectFolderConserved(folder.path);
    await folder.remove();
  });

  async function start(onShardFull: 'shed' | 'reject'): Promise<void> {
    const loaded = loadConfig({
      env: {
        OTELFAN_DATA_DIR: folder.path,
        OTELFAN_INGEST_HTTP_PORT: '0',
        OTELFAN_INGEST_GRPC_PORT: '0',
        OTELFAN_INGEST_METRICS_PORT: '0',
        OTELFAN_QUEUE_MAX_SHARD_BYTES: `${MAX_SHARD_BYTES}B`,
        OTELFAN_QUEUE_ON_SHARD_FULL: onShardFull,
      },
    });
    if (!loaded.ok) throw new Error(loaded.errors.join('; '));
    const { config } = loaded;
    const spec = (id: string, { url }: StubOtlpShard) => shardSpec(id, Number(new URL(url).port));
    const shards = [spec('s0', well), spec('s1', down)];
    ingest = await startIngest({
      config,
      topology: fixedTopology(createTopology({ version: 1, shards }, hash)),
      hash,
      logger: pino({ level: 'silent' }),
      workers: 1,
      metrics: config.ingest.metrics,
    });
  }

  interface Answer {
    readonly partialSuccess?: { readonly rejectedSpans: string; readonly errorMessage: string };
    readonly message?: string;
  }

  /** Spans of as many traces, for both shards. */
  async function post(): Promise<{ status: number; answer: Answer }> {
    sent += 1;
    const spans = Array.from({ length: SPANS }, (_, span) => ({ trace: `${sent}-${span}`, span }));
    const response = await fetch(`http://127.0.0.1:${ingest.httpPort}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(tracesOf('shop', spans)),
    });
    return { status: response.status, answer: (await response.json()) as Answer };
  }

  async function untilFull(isFull: (posted: Awaited<ReturnType<typeof post>>) => boolean) {
    let posted = await post();
    const next = async () => {
      posted = await post();
      return isFull(posted);
    };
    await expect.poll(next, { interval: POST_EVERY_MS, timeout: 15_000 }).toBe(true);
    return posted;
  }

  const metrics = () => scrape(`http://127.0.0.1:${ingest.metricsPort}`);

  it('costs its own records only, which the answer counts and gives the reason for', async () => {
    await start('shed');
    const { status, answer } = await untilFull(posted => posted.answer.partialSuccess !== undefined);
    expect(status).toBe(200);
    const refused = Number(answer.partialSuccess?.rejectedSpans);
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(SPANS);
    expect(answer.partialSuccess?.errorMessage).toContain(`${refused} × span: queue of shard s1 is full`);
    expect(answer.partialSuccess?.errorMessage).toContain(`queue.maxShardBytes is ${MAX_SHARD_BYTES}`);
    const shed = (shard: string, series: Awaited<ReturnType<typeof metrics>>) =>
      sumOf(series, 'otelfan_shed_records_total', { shard }) ?? 0;
    const series = await metrics();
    expect(shed('s1', series)).toBeGreaterThanOrEqual(refused);
    expect(shed('s0', series)).toBe(0);

    const before = well.deliveries.length;
    expect((await post()).status).toBe(200);
    await expect.poll(() => well.deliveries.length).toBeGreaterThan(before);
  });

  it('makes the whole request be refused as retryable when that is wanted', async () => {
    await start('reject');
    const { answer } = await untilFull(({ status }) => status === 503);
    expect(answer.message).toContain('queue of shard s1 is full');
    expect(sumOf(await metrics(), 'otelfan_shed_records_total') ?? 0).toBe(0);
  });
});
