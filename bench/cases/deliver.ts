import { setTimeout as sleep } from 'node:timers/promises';
import { anonymousBytes, cpuSeconds } from '../../test/support/process-usage.ts';
import { type Figures, round } from '../figures.ts';
import { type Backend, type IngestUnderTest, startIngestUnderTest } from '../load/ingest-under-test.ts';
import type { LoadPlan, LoadResult } from '../load/load.ts';
import { runLoad } from '../load/run-load.ts';

export interface DeliverOptions {
  readonly quick: boolean;
  /** How long memory is watched at full speed with a shard down; 0 leaves it out. */
  readonly minutes: number;
}

const SHARDS = 3;
const SPANS = 512;
const MIB = 1024 ** 2;

/** What delivery costs the router, how fast a backlog drains, and what a shard that is down does to the others. */
export async function benchDeliver({ quick, minutes }: DeliverOptions): Promise<Figures> {
  const figures: Record<string, number> = {};
  for (const backend of quick ? (['lmdb'] as const) : (['lmdb', 'redis'] as const)) {
    Object.assign(figures, named(backend, await withIngest(backend, ingest => drain(ingest, quick))));
    Object.assign(figures, named(backend, await withIngest(backend, ingest => oneDown(ingest, quick))));
  }
  if (minutes > 0) Object.assign(figures, await withIngest('lmdb', ingest => memory(ingest, minutes)));
  return figures;
}

function named(backend: Backend, figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${backend}_${name}`, value]));
}

async function withIngest(
  backend: Backend,
  use: (ingest: IngestUnderTest) => Promise<Figures>,
): Promise<Figures> {
  const ingest = await startIngestUnderTest({
    backend,
    shards: SHARDS,
    env: { OTELFAN_QUEUE_MAX_SHARD_BYTES: '1GiB', OTELFAN_DELIVERY_RETRY_MAX: '1s' },
  });
  try {
    return await use(ingest);
  } finally {
    await ingest.stop();
  }
}

function load(ingest: IngestUnderTest, change: Partial<LoadPlan>): Promise<LoadResult> {
  return runLoad({
    target: ingest.http,
    transport: 'http',
    signal: 'traces',
    recordsPerRequest: SPANS,
    recordsPerKey: 10,
    seconds: 5,
    rate: undefined,
    concurrency: 8,
    seed: 1,
    ...change,
  });
}

/** An outage of all shards: the backlog that it leaves, and how fast it goes once they are back. */
async function drain(ingest: IngestUnderTest, quick: boolean): Promise<Figures> {
  const wantedBytes = quick ? 128 * MIB : 1024 * MIB;
  for (let index = 0; index < SHARDS; index++) await ingest.sinks.tell({ kind: 'close', index });
  let records = 0;
  while ((await queueBytes(ingest)) < wantedBytes) records += (await load(ingest, { seconds: 1 })).records;
  const backlogBytes = await queueBytes(ingest);
  const cpuBefore = cpuSeconds(ingest.pid);
  const since = performance.now();
  for (let index = 0; index < SHARDS; index++) await ingest.sinks.tell({ kind: 'open', index });
  const { bytes: bytesBefore } = await ingest.sinks.tell({ kind: 'count' });
  let arrivedBytes = 0;
  // The first batch may be a breaker's pause away, which says nothing about the rate.
  let firstMs = Number.NaN;
  while (arrivedBytes < backlogBytes && performance.now() - since < 300_000) {
    await sleep(20);
    arrivedBytes = (await ingest.sinks.tell({ kind: 'count' })).bytes - bytesBefore;
    if (Number.isNaN(firstMs) && arrivedBytes > 0) firstMs = performance.now();
  }
  if (arrivedBytes < backlogBytes) throw new Error('the backlog was not drained within five minutes');
  const seconds = (performance.now() - firstMs) / 1000;
  const cpuMicrosPerSpan = ((cpuSeconds(ingest.pid) - cpuBefore) * 1e6) / records;
  console.log(
    `drained ${Math.round(backlogBytes / MIB)} MiB in ${seconds.toFixed(1)} s, ` +
      `${(backlogBytes / MIB / seconds).toFixed(0)} MiB/s, ${cpuMicrosPerSpan.toFixed(2)} µs router CPU/span, ` +
      `first batch after ${((firstMs - since) / 1000).toFixed(1)} s`,
  );
  return {
    drain_mib_per_second: round(backlogBytes / MIB / seconds),
    deliver_cpu_us_per_span: round(cpuMicrosPerSpan),
  };
}

/** The same load with all shards up and with one down, in turns, so that a noisy machine disturbs both alike. */
async function oneDown(ingest: IngestUnderTest, quick: boolean): Promise<Figures> {
  const seconds = quick ? 2 : 6;
  const rounds = quick ? 2 : 4;
  const healthy: LoadResult[] = [];
  const down: LoadResult[] = [];
  await load(ingest, { seconds: 1 });
  for (let round = 0; round < rounds; round++) {
    healthy.push(await load(ingest, { seconds }));
    await ingest.sinks.tell({ kind: 'close', index: 0 });
    await sleep(500);
    down.push(await load(ingest, { seconds }));
    await ingest.sinks.tell({ kind: 'open', index: 0 });
    while ((await queueBytes(ingest)) > 0) await sleep(100);
  }
  const rate = (results: readonly LoadResult[]) =>
    median(results.map(({ records, seconds }) => records / seconds));
  const p99 = (results: readonly LoadResult[]) => median(results.map(({ p99Ms }) => p99Ms));
  console.log(
    `healthy ${Math.round(rate(healthy)).toLocaleString('en')} spans/s, ack p99 ${p99(healthy).toFixed(1)} ms; ` +
      `one of three shards down ${Math.round(rate(down)).toLocaleString('en')} spans/s, ack p99 ${p99(down).toFixed(1)} ms`,
  );
  return {
    one_down_rate_ratio: round(rate(down) / rate(healthy)),
    one_down_p99_ratio: round(p99(down) / p99(healthy)),
  };
}

/** Memory at full speed while a shard is down, its queue filled to the brim on the way. */
async function memory(ingest: IngestUnderTest, minutes: number): Promise<Figures> {
  await ingest.sinks.tell({ kind: 'close', index: 0 });
  const samples: number[] = [];
  const until = performance.now() + minutes * 60_000;
  while (performance.now() < until) {
    const { records, seconds, failed, partial } = await load(ingest, { seconds: Math.min(30, minutes * 30) });
    samples.push(anonymousBytes(ingest.pid));
    console.log(
      `${((samples.at(-1) as number) / MIB).toFixed(0).padStart(6)} MiB anonymous memory, ` +
        `${Math.round((await queueBytes(ingest)) / MIB)} MiB queued, ${Math.round(records / seconds)} spans/s, ${failed} failed, ${partial} in part`,
    );
  }
  const half = Math.ceil(samples.length / 2);
  const first = Math.max(...samples.slice(0, half));
  const second = Math.max(...samples.slice(half));
  return { memory_first_half_mib: Math.round(first / MIB), memory_second_half_mib: Math.round(second / MIB) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Payload bytes that wait, over all shards, as the metrics tell. */
async function queueBytes(ingest: IngestUnderTest): Promise<number> {
  const text = await (await fetch(`${ingest.metrics}/metrics`)).text();
  const lines = text.matchAll(/^otelfan_queue_bytes\{.*?\} (\S+)$/gm);
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}
