import { join } from 'node:path';
import { readPath } from '../../src/shared/read/contract.ts';
import { cpuSeconds } from '../../test/support/process-usage.ts';
import { type Figures, round } from '../figures.ts';
import { type Asker, askFor, askInTurns, createAsker, type Question, type Times } from '../load/asker.ts';
import { forkChild } from '../load/child.ts';
import { type QueryUnderTest, startQueryUnderTest } from '../load/query-under-test.ts';
import { type DurationPlan, durationsOn, percentileMs, sortedUnion } from '../memory-shards/durations.ts';
import { type RowPlan, WINDOWS } from '../memory-shards/rows.ts';
import { type MemoryShard, type ShardPort, startMemoryShards } from '../memory-shards/shards.ts';
import type { ShardSummary } from '../memory-shards/states.ts';

/** How many shards the proxy stands before, and how many rows are asked for, where its overhead is measured. */
const SHARD_COUNTS = [1, 4, 8, 16];
const QUICK_SHARD_COUNTS = [1, 8];
const LIMITS = [100, 1000];
/** Everywhere else. */
const SHARDS = 8;
const ROWS_PER_SHARD = 8192;
const MIB = 1024 ** 2;

/** A proxy and the shards behind it. */
interface Bench {
  readonly quick: boolean;
  readonly shards: readonly MemoryShard[];
  readonly proxy: QueryUnderTest;
  readonly asker: Asker;
}

/** What can be measured alone. */
const PARTS = ['overhead', 'skewed', 'throughput', 'summary', 'slow', 'memory'] as const;
type Part = (typeof PARTS)[number];

export function isQueryPart(name: string): name is Part {
  return (PARTS as readonly string[]).includes(name);
}

export interface QueryBenchOptions {
  readonly quick: boolean;
  /** Everything when absent. */
  readonly only?: Part | undefined;
  readonly cpuProf: boolean;
}

/** The query proxy, a process of its own, over shards that answer from memory, each a process of its own. */
export async function benchQuery({ quick, only, cpuProf }: QueryBenchOptions): Promise<Figures> {
  const counts = quick ? QUICK_SHARD_COUNTS : SHARD_COUNTS;
  const all = await startMemoryShards(Math.max(...counts));
  const figures: Record<string, number> = {};
  const measure = async (part: Part, count: number, ...measures: ((bench: Bench) => Promise<Figures>)[]) => {
    if (only !== undefined && only !== part) return;
    const shards = all.slice(0, count);
    const profileDir = cpuProf ? join(import.meta.dirname, '..', 'results') : undefined;
    const proxy = await startQueryUnderTest(shards, profileDir);
    const asker = createAsker(proxy.api, CLIENTS);
    try {
      for (const each of measures) Object.assign(figures, await each({ quick, shards, proxy, asker }));
    } finally {
      await asker.close();
      await proxy.stop();
    }
  };
  try {
    await holdRows(all, 'by-time');
    await measure('skewed', SHARDS, skewed);
    await holdRows(all, 'by-trace');
    for (const count of counts) await measure('overhead', count, overhead);
    await measure('throughput', SHARDS, throughput);
    await measure('summary', SHARDS, summariesOfSpread, summariesByService);
    await measure('slow', SHARDS, slowShard, hungShard);
    await measure('memory', SHARDS, fastClient);
    await measure('memory', SHARDS, slowClient);
    return figures;
  } finally {
    await Promise.all(all.map(shard => shard.stop()));
  }
}

function holdRows(shards: readonly MemoryShard[], placement: RowPlan['placement']): Promise<unknown> {
  const plan = { shards: SHARDS, rows: ROWS_PER_SHARD, placement };
  return Promise.all(shards.map(shard => shard.holdRows(plan)));
}

/** A question that differs from the one before. */
function traces(limit: number, asked = 0, timeoutMs?: number): Question {
  const timeout = timeoutMs === undefined ? '' : `&timeout=${timeoutMs}ms`;
  return { path: `/api/v1/traces?limit=${limit}&service=${windowOf(asked)}${timeout}` };
}

/** In no order that a machine could learn. */
function windowOf(asked: number): string {
  return String((asked * 37) % WINDOWS);
}

/** Asks for an answer that must have all shards. */
async function askWhole(asker: Asker, question: Question): Promise<Buffer> {
  const { body, missing } = await asker.ask(question);
  if (missing !== '') throw new Error(`${question.path}: ${missing} did not answer`);
  return body;
}

/** Until code is compiled that runs often. */
function warmUpSeconds({ quick }: Bench): number {
  return quick ? 0.6 : 3;
}

const overhead = (bench: Bench) => overheadOf(bench, '');
/** Of pages that are all of one shard, which the proxy cannot know. */
const skewed = (bench: Bench) => overheadOf(bench, 'skewed_');

/** The proxy against one shard that is asked without it, and against asking all of them at once and merging nothing. */
async function overheadOf(bench: Bench, prefix: string): Promise<Figures> {
  const { quick, shards, proxy, asker } = bench;
  const direct = shards.map(({ url }) => createAsker(url));
  const figures: Record<string, number> = {};
  for (const limit of LIMITS) {
    let asked = 0;
    const spans = (): Question => ({ path: readPath('spans'), body: { limit, service: windowOf(asked++) } });
    await checkRows(asker, limit);
    const asks = {
      shard: async () => direct[0]?.ask(spans()),
      shards: () => Promise.all(direct.map(each => each.ask(spans()))),
      proxy: () => askWhole(asker, traces(limit, asked++)),
    };
    await askInTurns(warmUpSeconds(bench), asks);
    const cpuBefore = proxy.cpuSeconds();
    const times = await askInTurns(quick ? 1.2 : 10, asks);
    const cpuMs = (1000 * (proxy.cpuSeconds() - cpuBefore)) / times.proxy.count;
    const size = `${prefix}${shards.length}x${limit}`;
    console.log(
      `${prefix}${shards.length} shards, limit ${limit}: one shard ${text(times.shard)}, all ${text(times.shards)}, ` +
        `proxy ${text(times.proxy)}, ${cpuMs.toFixed(2)} ms of its CPU (${times.proxy.count} queries)`,
    );
    Object.assign(figures, {
      [`overhead_${size}_p50_ms`]: round(times.proxy.p50Ms - times.shard.p50Ms),
      [`overhead_${size}_p99_ms`]: round(times.proxy.p99Ms - times.shard.p99Ms),
      [`overhead_${size}_cpu_ms`]: round(cpuMs),
      ...timeFigures(`one_shard_${size}`, times.shard),
      ...timeFigures(`all_shards_${size}`, times.shards),
      ...timeFigures(`proxy_${size}`, times.proxy),
    });
  }
  await Promise.all(direct.map(each => each.close()));
  return figures;
}

async function checkRows(asker: Asker, limit: number): Promise<void> {
  const { spans } = JSON.parse(String(await askWhole(asker, traces(limit)))) as { spans: unknown[] };
  if (spans.length !== limit) throw new Error(`asked for ${limit} spans, got ${spans.length}`);
}

const CLIENTS = 16;

async function throughput(bench: Bench): Promise<Figures> {
  const { quick, shards, proxy, asker } = bench;
  let asked = 0;
  const ask = () => askWhole(asker, traces(100, asked++));
  await askFor(warmUpSeconds(bench), CLIENTS, ask);
  const cpuBefore = proxy.cpuSeconds();
  const times = await askFor(quick ? 1.5 : 10, CLIENTS, ask);
  const cpuSeconds = proxy.cpuSeconds() - cpuBefore;
  const perSecond = times.count / times.seconds;
  console.log(
    `${CLIENTS} clients, ${shards.length} shards, limit 100: ${Math.round(perSecond)} queries/s, ${text(times)}, ` +
      `${((1000 * cpuSeconds) / times.count).toFixed(2)} ms CPU each, ${(cpuSeconds / times.seconds).toFixed(2)} cores`,
  );
  return {
    throughput_per_second: Math.round(perSecond),
    throughput_cpu_ms: round((1000 * cpuSeconds) / times.count),
    ...timeFigures('throughput', times),
  };
}

const PERCENTILES = { p50: 0.5, p95: 0.95, p99: 0.99 };
const SUMMARY: Question = { path: '/api/v1/summary' };
const AVERAGING_PROXY = join(import.meta.dirname, '..', 'load', 'averaging-proxy.ts');

const summariesOfSpread = (bench: Bench) => summaries(bench, 'spread');
const summariesByService = (bench: Bench) => summaries(bench, 'by-service');

/** Exact percentiles against the mean of the shards' own, weighted by spans: what each takes, and how far the mean is off. */
async function summaries(bench: Bench, placement: DurationPlan['placement']): Promise<Figures> {
  const { quick, shards, proxy, asker } = bench;
  const plan = { spans: quick ? 200_000 : 2_000_000, shards: shards.length, placement };
  await Promise.all(shards.map(shard => shard.hold(plan)));
  const averaging = forkChild<readonly string[], ShardPort>(AVERAGING_PROXY);
  const { port } = await averaging.tell(shards.map(({ url }) => url));
  const averager = createAsker(`http://127.0.0.1:${port}`);
  const asks = { exact: () => askWhole(asker, SUMMARY), mean: () => askWhole(averager, SUMMARY) };
  const exact = summaryOf(await asks.exact());
  const mean = summaryOf(await asks.mean());
  checkExact(exact, plan);
  await askInTurns(warmUpSeconds(bench), asks);
  const cpuBefore = { exact: proxy.cpuSeconds(), mean: cpuSeconds(averaging.pid) };
  const times = await askInTurns(quick ? 1 : 10, asks);
  const exactCpuMs = (1000 * (proxy.cpuSeconds() - cpuBefore.exact)) / times.exact.count;
  const meanCpuMs = (1000 * (cpuSeconds(averaging.pid) - cpuBefore.mean)) / times.mean.count;
  await averager.close();
  await averaging.stop();
  const errors = Object.keys(PERCENTILES).map(name => {
    const member = `${name}_ms` as 'p50_ms';
    return [name, mean[member] / exact[member] - 1] as const;
  });
  console.log(
    `summary of ${exact.span_count} spans, ${placement}: exact ${text(times.exact)}, ${exactCpuMs.toFixed(2)} ms CPU, ` +
      `mean ${text(times.mean)}, ${meanCpuMs.toFixed(2)} ms CPU, ` +
      `off by ${errors.map(([name, error]) => `${name} ${(100 * error).toFixed(1)} %`).join(', ')}`,
  );
  const prefix = `summary_${placement.replace('-', '_')}`;
  return {
    ...timeFigures(`${prefix}_exact`, times.exact),
    ...timeFigures(`${prefix}_mean`, times.mean),
    [`${prefix}_exact_cpu_ms`]: round(exactCpuMs),
    [`${prefix}_mean_cpu_ms`]: round(meanCpuMs),
    ...Object.fromEntries(errors.map(([name, error]) => [`${prefix}_mean_${name}_error`, round(error)])),
  };
}

function summaryOf(body: Buffer): ShardSummary['traces'] {
  return (JSON.parse(String(body)) as ShardSummary).traces;
}

/** Nothing is measured of answers that are wrong. */
function checkExact(summary: ShardSummary['traces'], plan: DurationPlan): void {
  const parts = Array.from({ length: plan.shards }, (_, shard) => [...durationsOn(shard, plan).values()]);
  const union = sortedUnion(parts.flat());
  for (const [name, p] of Object.entries(PERCENTILES)) {
    const [given, wanted] = [summary[`${name}_ms` as 'p50_ms'], percentileMs(union, p)];
    if (given !== wanted) throw new Error(`${name} is ${wanted} ms, the proxy says ${given}`);
  }
}

const USUAL_DELAY_MS = 5;
const SLOW_DELAY_MS = 10 * USUAL_DELAY_MS;

/** All shards take a while, and one of them ten times as long. */
async function slowShard(bench: Bench): Promise<Figures> {
  const { quick, shards, asker } = bench;
  const seconds = quick ? 1 : 10;
  const ask = () => askWhole(asker, traces(100));
  await Promise.all(shards.map(shard => shard.delay(USUAL_DELAY_MS)));
  await askFor(warmUpSeconds(bench), 1, ask);
  const usual = await askFor(seconds, 1, ask);
  await shards.at(-1)?.delay(SLOW_DELAY_MS);
  const slow = await askFor(seconds, 1, ask);
  await Promise.all(shards.map(shard => shard.delay(0)));
  console.log(
    `shards that take ${USUAL_DELAY_MS} ms: ${text(usual)}; one that takes ${SLOW_DELAY_MS} ms: ${text(slow)}`,
  );
  return { ...timeFigures('usual_shards', usual), ...timeFigures('one_slow_shard', slow) };
}

const DEADLINE_MS = 300;
const HUNG_CLIENTS = 4;

/** One shard takes the request and says nothing. */
async function hungShard({ quick, shards, asker }: Bench): Promise<Figures> {
  const hung = shards.at(-1);
  await hung?.delay(undefined);
  const times = await askFor(quick ? 1.5 : 10, HUNG_CLIENTS, async () => {
    const { missing } = await asker.ask(traces(100, 0, DEADLINE_MS));
    if (missing !== hung?.id) throw new Error(`${hung?.id} is hung, and missing is: ${missing}`);
  });
  await hung?.delay(0);
  console.log(
    `a shard that hangs, deadline ${DEADLINE_MS} ms: ${text(times)}, p100 ${times.maxMs.toFixed(1)} ms (${times.count} queries)`,
  );
  return {
    ...timeFigures('hung_shard', times),
    hung_shard_deadline_ms: DEADLINE_MS,
    hung_shard_max_ms: round(times.maxMs),
  };
}

/** An answer that is larger than what the proxy holds. */
const EVERYTHING = traces(SHARDS * ROWS_PER_SHARD);

const fastClient = (bench: Bench) => memoryWithClient(bench, 'fast', Number.POSITIVE_INFINITY);
const slowClient = (bench: Bench) => memoryWithClient(bench, 'slow', (bench.quick ? 16 : 3) * MIB);

const LOOK_EVERY_MS = 50;

/** What the proxy takes at most while a client reads so fast; to be asked of one that has just started. */
async function memoryWithClient(
  { proxy, asker }: Bench,
  name: string,
  bytesPerSecond: number,
): Promise<Figures> {
  const idleBytes = proxy.anonymousBytes();
  let peakBytes = idleBytes;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, proxy.anonymousBytes());
  }, LOOK_EVERY_MS);
  const { sizeBytes, seconds, end } = await asker.readSlowly(EVERYTHING, bytesPerSecond);
  clearInterval(watch);
  if (!end.includes('"partial":false')) throw new Error(`the answer ended with ${end}`);
  console.log(
    `an answer of ${mib(sizeBytes)} MiB, taken in ${seconds.toFixed(1)} s: ` +
      `at most ${mib(peakBytes)} MiB of memory, ${mib(idleBytes)} before`,
  );
  return {
    streamed_mib: mib(sizeBytes),
    [`${name}_client_seconds`]: round(seconds),
    [`${name}_client_idle_mib`]: mib(idleBytes),
    [`${name}_client_peak_mib`]: mib(peakBytes),
  };
}

function mib(sizeBytes: number): number {
  return Math.round(sizeBytes / MIB);
}

function text({ p50Ms, p99Ms }: Times): string {
  return `p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
}

function timeFigures(name: string, { p50Ms, p99Ms }: Times): Figures {
  return { [`${name}_p50_ms`]: round(p50Ms), [`${name}_p99_ms`]: round(p99Ms) };
}
