import { join } from 'node:path';
import { readPath } from '../../src/shared/read/contract.ts';
import { cpuSeconds } from '../../test/support/process-usage.ts';
import { type Figures, round } from '../figures.ts';
import { type Asker, askFor, askInTurns, createAsker, type Question, type Times } from '../load/asker.ts';
import { forkChild } from '../load/child.ts';
import { type QueryUnderTest, startQueryUnderTest } from '../load/query-under-test.ts';
import { type DurationPlan, durationsOn, percentileMs, sortedUnion } from '../memory-shards/durations.ts';
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

interface Bench {
  readonly quick: boolean;
  readonly shards: readonly MemoryShard[];
  /** Until code is compiled that runs often. */
  readonly warmUpSeconds: number;
}

/** The query proxy, a process of its own, over shards that answer from memory, each a process of its own. */
export async function benchQuery({ quick }: { quick: boolean }): Promise<Figures> {
  const counts = quick ? QUICK_SHARD_COUNTS : SHARD_COUNTS;
  const shards = await startMemoryShards(Math.max(...counts), ROWS_PER_SHARD);
  const bench = { quick, shards, warmUpSeconds: quick ? 1 : 3 };
  try {
    const figures: Record<string, number> = {};
    for (const count of counts) Object.assign(figures, await overhead(bench, count));
    Object.assign(figures, await throughput(bench));
    for (const placement of ['spread', 'by-service'] as const) {
      Object.assign(figures, await summaries(bench, placement));
    }
    Object.assign(figures, await slowShard(bench));
    Object.assign(figures, await hungShard(bench));
    Object.assign(figures, await slowClient(bench));
    return figures;
  } finally {
    await Promise.all(shards.map(shard => shard.stop()));
  }
}

function traces(limit: number, timeoutMs?: number): Question {
  const timeout = timeoutMs === undefined ? '' : `&timeout=${timeoutMs}ms`;
  return { path: `/api/v1/traces?limit=${limit}${timeout}` };
}

/** Asks for an answer that must have all shards. */
async function askWhole(asker: Asker, question: Question): Promise<Buffer> {
  const { body, missing } = await asker.ask(question);
  if (missing !== '') throw new Error(`${question.path}: ${missing} did not answer`);
  return body;
}

async function withProxy<T>(
  shards: readonly MemoryShard[],
  use: (proxy: QueryUnderTest, asker: Asker) => Promise<T>,
): Promise<T> {
  const proxy = await startQueryUnderTest(shards);
  const asker = createAsker(proxy.api, CLIENTS);
  try {
    return await use(proxy, asker);
  } finally {
    await asker.close();
    await proxy.stop();
  }
}

/** The proxy against one shard that is asked without it, and against asking all of them at once and merging nothing. */
async function overhead({ quick, shards: all, warmUpSeconds }: Bench, count: number): Promise<Figures> {
  const shards = all.slice(0, count);
  const direct = shards.map(({ url }) => createAsker(url));
  const figures: Record<string, number> = {};
  await withProxy(shards, async (proxy, asker) => {
    for (const limit of LIMITS) {
      const spans: Question = { path: readPath('spans'), body: { limit } };
      await checkRows(asker, limit);
      const asks = {
        shard: () => direct[0]?.ask(spans) ?? Promise.reject(new Error('no shard')),
        shards: () => Promise.all(direct.map(each => each.ask(spans))),
        proxy: () => askWhole(asker, traces(limit)),
      };
      await askInTurns(warmUpSeconds, asks);
      const cpuBefore = proxy.cpuSeconds();
      const times = await askInTurns(quick ? 1.5 : 10, asks);
      const cpuMs = (1000 * (proxy.cpuSeconds() - cpuBefore)) / times.proxy.count;
      const name = `overhead_${count}x${limit}`;
      console.log(
        `${count} shards, limit ${limit}: one shard ${text(times.shard)}, all ${text(times.shards)}, ` +
          `proxy ${text(times.proxy)}, ${cpuMs.toFixed(2)} ms of its CPU (${times.proxy.count} queries)`,
      );
      Object.assign(figures, {
        [`${name}_p50_ms`]: round(times.proxy.p50Ms - times.shard.p50Ms),
        [`${name}_p99_ms`]: round(times.proxy.p99Ms - times.shard.p99Ms),
        [`${name}_over_all_p50_ms`]: round(times.proxy.p50Ms - times.shards.p50Ms),
        [`${name}_over_all_p99_ms`]: round(times.proxy.p99Ms - times.shards.p99Ms),
        [`${name}_cpu_ms`]: round(cpuMs),
        ...timeFigures(`one_shard_${count}x${limit}`, times.shard),
        ...timeFigures(`all_shards_${count}x${limit}`, times.shards),
        ...timeFigures(`proxy_${count}x${limit}`, times.proxy),
      });
    }
  });
  await Promise.all(direct.map(asker => asker.close()));
  return figures;
}

async function checkRows(asker: Asker, limit: number): Promise<void> {
  const { spans } = JSON.parse(String(await askWhole(asker, traces(limit)))) as { spans: unknown[] };
  if (spans.length !== limit) throw new Error(`asked for ${limit} spans, got ${spans.length}`);
}

const CLIENTS = 16;

async function throughput({ quick, shards, warmUpSeconds }: Bench): Promise<Figures> {
  return withProxy(shards.slice(0, SHARDS), async (proxy, asker) => {
    const ask = () => askWhole(asker, traces(100));
    await askFor(warmUpSeconds, CLIENTS, ask);
    const cpuBefore = proxy.cpuSeconds();
    const times = await askFor(quick ? 2 : 10, CLIENTS, ask);
    const cpuSeconds = proxy.cpuSeconds() - cpuBefore;
    const perSecond = times.count / times.seconds;
    console.log(
      `${CLIENTS} clients, ${SHARDS} shards, limit 100: ${Math.round(perSecond)} queries/s, ${text(times)}, ` +
        `${((1000 * cpuSeconds) / times.count).toFixed(2)} ms CPU each, ${(cpuSeconds / times.seconds).toFixed(2)} cores`,
    );
    return {
      throughput_per_second: Math.round(perSecond),
      throughput_cpu_ms: round((1000 * cpuSeconds) / times.count),
      ...timeFigures('throughput', times),
    };
  });
}

const PERCENTILES = { p50: 0.5, p95: 0.95, p99: 0.99 };
const SUMMARY: Question = { path: '/api/v1/summary' };

/** Exact percentiles against the mean of the shards' own, weighted by spans: what each takes, and how far the mean is off. */
async function summaries(
  { quick, shards: all, warmUpSeconds }: Bench,
  placement: DurationPlan['placement'],
): Promise<Figures> {
  const shards = all.slice(0, SHARDS);
  const plan = { spans: quick ? 400_000 : 2_000_000, shards: SHARDS, placement };
  await Promise.all(shards.map(shard => shard.hold(plan)));
  const averaging = forkChild<readonly string[], ShardPort>(
    join(import.meta.dirname, '..', 'load', 'averaging-proxy.ts'),
  );
  const { port } = await averaging.tell(shards.map(({ url }) => url));
  const averager = createAsker(`http://127.0.0.1:${port}`);
  try {
    return await withProxy(shards, async (proxy, asker) => {
      const exact = summaryOf(await askWhole(asker, SUMMARY));
      const mean = summaryOf(await askWhole(averager, SUMMARY));
      checkExact(exact, plan);
      const asks = { exact: () => askWhole(asker, SUMMARY), mean: () => askWhole(averager, SUMMARY) };
      await askInTurns(warmUpSeconds, asks);
      const cpuBefore = [proxy.cpuSeconds(), cpuSeconds(averaging.pid)] as const;
      const times = await askInTurns(quick ? 1.5 : 10, asks);
      const exactCpuMs = (1000 * (proxy.cpuSeconds() - cpuBefore[0])) / times.exact.count;
      const meanCpuMs = (1000 * (cpuSeconds(averaging.pid) - cpuBefore[1])) / times.mean.count;
      const errors = Object.keys(PERCENTILES).map(name => {
        const member = `${name}_ms` as 'p50_ms';
        return [name, mean[member] / exact[member] - 1] as const;
      });
      console.log(
        `summary of ${exact.span_count} spans, ${placement}: exact ${text(times.exact)}, ` +
          `${exactCpuMs.toFixed(2)} ms CPU, mean ${text(times.mean)}, ${meanCpuMs.toFixed(2)} ms CPU, off by ${errors.map(([name, error]) => `${name} ${(100 * error).toFixed(1)} %`).join(', ')}`,
      );
      const prefix = `summary_${placement.replace('-', '_')}`;
      return {
        ...timeFigures(`${prefix}_exact`, times.exact),
        ...timeFigures(`${prefix}_mean`, times.mean),
        [`${prefix}_exact_cpu_ms`]: round(exactCpuMs),
        [`${prefix}_mean_cpu_ms`]: round(meanCpuMs),
        ...Object.fromEntries(errors.map(([name, error]) => [`${prefix}_mean_${name}_error`, round(error)])),
      };
    });
  } finally {
    await averager.close();
    await averaging.stop();
  }
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
async function slowShard({ quick, shards: all, warmUpSeconds }: Bench): Promise<Figures> {
  const shards = all.slice(0, SHARDS);
  const seconds = quick ? 1.5 : 10;
  await Promise.all(shards.map(shard => shard.delay(USUAL_DELAY_MS)));
  const [usual, slow] = await withProxy(shards, async (_proxy, asker) => {
    const ask = () => askWhole(asker, traces(100));
    await askFor(warmUpSeconds, 1, ask);
    const alike = await askFor(seconds, 1, ask);
    await shards.at(-1)?.delay(SLOW_DELAY_MS);
    return [alike, await askFor(seconds, 1, ask)] as const;
  });
  await Promise.all(shards.map(shard => shard.delay(0)));
  console.log(
    `shards that take ${USUAL_DELAY_MS} ms: ${text(usual)}; one that takes ${SLOW_DELAY_MS} ms: ${text(slow)}`,
  );
  return { ...timeFigures('usual_shards', usual), ...timeFigures('one_slow_shard', slow) };
}

const DEADLINE_MS = 300;
const HUNG_CLIENTS = 4;

/** One shard takes the request and says nothing. */
async function hungShard({ quick, shards: all, warmUpSeconds }: Bench): Promise<Figures> {
  const shards = all.slice(0, SHARDS);
  const hung = shards.at(-1);
  const times = await withProxy(shards, async (_proxy, asker) => {
    await askFor(warmUpSeconds, HUNG_CLIENTS, () => askWhole(asker, traces(100)));
    await hung?.delay(undefined);
    return askFor(quick ? 2 : 10, HUNG_CLIENTS, async () => {
      const { missing } = await asker.ask(traces(100, DEADLINE_MS));
      if (missing !== hung?.id) throw new Error(`${hung?.id} is hung, and missing is: ${missing}`);
    });
  });
  await hung?.delay(0);
  console.log(
    `a shard that hangs, deadline ${DEADLINE_MS} ms: ${text(times)}, p100 ${times.maxMs.toFixed(1)} ms (${times.count} queries)`,
  );
  return {
    ...timeFigures('hung_shard', times),
    hung_shard_max_ms: round(times.maxMs),
    hung_shard_over_deadline_ms: round(times.maxMs - DEADLINE_MS),
  };
}

/** An answer that is larger than what the proxy holds, to a client that takes it at once and to one that does not. */
async function slowClient({ quick, shards: all }: Bench): Promise<Figures> {
  const shards = all.slice(0, SHARDS);
  const everything = traces(SHARDS * ROWS_PER_SHARD);
  const seconds = quick ? 4 : 20;
  const fast = await withProxy(shards, (proxy, asker) =>
    memoryWhile(proxy, () => asker.readSlowly(everything, Number.POSITIVE_INFINITY)),
  );
  const slow = await withProxy(shards, (proxy, asker) =>
    memoryWhile(proxy, () => asker.readSlowly(everything, fast.sizeBytes / seconds)),
  );
  if (slow.sizeBytes !== fast.sizeBytes) throw new Error('the slow client got another answer');
  console.log(
    `an answer of ${mib(fast.sizeBytes)} MiB: idle ${mib(fast.idleBytes)} MiB; taken in ${fast.seconds.toFixed(1)} s ` +
      `at most ${mib(fast.peakBytes)} MiB; in ${slow.seconds.toFixed(1)} s ${mib(slow.peakBytes)} MiB`,
  );
  return {
    streamed_mib: mib(fast.sizeBytes),
    streamed_seconds_fast: round(fast.seconds),
    streamed_seconds_slow: round(slow.seconds),
    proxy_idle_mib: mib(fast.idleBytes),
    proxy_peak_fast_client_mib: mib(fast.peakBytes),
    proxy_peak_slow_client_mib: mib(slow.peakBytes),
  };
}

const LOOK_EVERY_MS = 50;

async function memoryWhile<T>(proxy: QueryUnderTest, use: () => Promise<T>) {
  const idleBytes = proxy.anonymousBytes();
  let peakBytes = idleBytes;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, proxy.anonymousBytes());
  }, LOOK_EVERY_MS);
  try {
    return { ...(await use()), idleBytes, peakBytes };
  } finally {
    clearInterval(watch);
  }
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
