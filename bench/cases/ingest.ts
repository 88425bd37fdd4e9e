import { cpuSeconds } from '../../test/support/process-usage.ts';
import { type Figures, round } from '../figures.ts';
import { type Backend, type IngestUnderTest, startIngestUnderTest } from '../load/ingest-under-test.ts';
import type { LoadPlan, LoadResult } from '../load/load.ts';
import { runLoad } from '../load/run-load.ts';

interface Shot {
  readonly name: string;
  readonly transport: LoadPlan['transport'];
  readonly spans: number;
  readonly rate?: number;
  readonly seconds: number;
}

export interface IngestOptions {
  readonly quick: boolean;
  /** Another OTLP receiver to measure with the same load. */
  readonly target?: { readonly url: string; readonly pid: number; readonly transport: LoadPlan['transport'] };
}

const SHARDS = 3;
/** Senders at once, as many small ones are what a gateway is for. */
const CONNECTIONS = 16;

/**
 * The cost and the delay of a durable acknowledgement, per backend and transport. Delivery is kept out of it by
 * shards that are down, and has a case of its own.
 */
export async function benchIngest({ quick, target }: IngestOptions): Promise<Figures> {
  if (target !== undefined) return measureTarget(target, quick);
  const figures: Record<string, number> = {};
  for (const backend of ['lmdb', 'redis'] as const) {
    const ingest = await startIngestUnderTest({ backend, shards: SHARDS, env: ROOM });
    try {
      for (let index = 0; index < SHARDS; index++) await ingest.sinks.tell({ kind: 'close', index });
      for (const shot of shotsOf(backend, quick)) Object.assign(figures, await fire(shot, backend, ingest));
    } finally {
      await ingest.stop();
    }
  }
  return figures;
}

/** Nothing is delivered, so all that is sent has to fit. */
const ROOM = { OTELFAN_QUEUE_MAX_BYTES: '64GiB', OTELFAN_QUEUE_MAX_SHARD_BYTES: '20GiB' };

function shotsOf(backend: Backend, quick: boolean): Shot[] {
  const seconds = quick ? 2 : 6;
  const transports = ['http', 'grpc', 'json'] as const;
  const atMost = transports.flatMap(transport =>
    [512, 40].map(spans => ({ name: `${transport}_${spans}`, transport, spans, seconds })),
  );
  const warmUp: Shot = { name: 'warm_up', transport: 'http', spans: 512, seconds: 1 };
  if (quick) {
    return [
      warmUp,
      ...atMost.filter(
        ({ transport }) => transport === 'http' || (backend === 'lmdb' && transport === 'grpc'),
      ),
    ];
  }
  const rated = [10_000, 50_000].map(rate => ({
    name: `http_512_at_${rate / 1000}k`,
    transport: 'http' as const,
    spans: 512,
    rate,
    seconds,
  }));
  return [warmUp, ...atMost, ...rated];
}

async function fire(shot: Shot, backend: Backend, ingest: IngestUnderTest): Promise<Record<string, number>> {
  const target = shot.transport === 'grpc' ? ingest.grpc : ingest.http;
  const measured = await measure({ ...shot, target, pid: ingest.pid });
  if (shot.name === 'warm_up') return {};
  report(`${backend} ${shot.name}`, measured);
  const name = `${backend}_${shot.name}`;
  return {
    [`${name}_cpu_us_per_span`]: round(measured.cpuMicrosPerSpan),
    [`${name}_spans_per_second`]: Math.round(measured.records / measured.seconds),
    [`${name}_ack_p50_ms`]: round(measured.p50Ms),
    [`${name}_ack_p99_ms`]: round(measured.p99Ms),
  };
}

interface Measured extends LoadResult {
  readonly cpuMicrosPerSpan: number;
}

async function measure(shot: Shot & { target: string; pid: number }): Promise<Measured> {
  const cpuBefore = cpuSeconds(shot.pid);
  const result = await runLoad({
    target: shot.target,
    transport: shot.transport,
    signal: 'traces',
    recordsPerRequest: shot.spans,
    recordsPerKey: 10,
    seconds: shot.seconds,
    rate: shot.rate,
    concurrency: CONNECTIONS,
    seed: 1,
  });
  const cpuMicrosPerSpan = ((cpuSeconds(shot.pid) - cpuBefore) * 1e6) / Math.max(1, result.records);
  if (result.failed > 0) console.log(`  ${result.failed} requests failed; the first: ${result.failure}`);
  if (result.partial > 0) console.log(`  ${result.partial} requests were taken in part only`);
  return { ...result, cpuMicrosPerSpan };
}

function report(name: string, { cpuMicrosPerSpan, records, seconds, p50Ms, p99Ms }: Measured): void {
  console.log(
    `${name.padEnd(26)} ${cpuMicrosPerSpan.toFixed(2).padStart(7)} µs CPU/span ` +
      `${Math.round(records / seconds)
        .toLocaleString('en')
        .padStart(9)} spans/s ` +
      `ack p50 ${p50Ms.toFixed(1).padStart(6)} ms, p99 ${p99Ms.toFixed(1).padStart(6)} ms`,
  );
}

async function measureTarget(
  { url, pid, transport }: NonNullable<IngestOptions['target']>,
  quick: boolean,
): Promise<Figures> {
  const figures: Record<string, number> = {};
  await measure({ name: 'warm_up', transport, spans: 512, seconds: 1, target: url, pid });
  for (const spans of [512, 40]) {
    const name = `${transport}_${spans}`;
    const measured = await measure({ name, transport, spans, seconds: quick ? 2 : 6, target: url, pid });
    report(name, measured);
    figures[`${name}_cpu_us_per_span`] = round(measured.cpuMicrosPerSpan);
    figures[`${name}_spans_per_second`] = Math.round(measured.records / measured.seconds);
    figures[`${name}_ack_p99_ms`] = round(measured.p99Ms);
    figures[`${name}_failed`] = measured.failed;
  }
  return figures;
}
