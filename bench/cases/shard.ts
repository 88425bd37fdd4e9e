import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { SIGNALS } from '../../src/shared/otlp/signal.ts';
import { temporaryFolder } from '../../test/support/systems.ts';
import { type Figures, percentile, round } from '../figures.ts';
import { type ShapedGenerator, type ShapedResult, startShapedGenerator } from '../load/shaped-load.ts';
import { createReadClient, type ReadTimes, type TimedRead, timedReads } from '../load/shard-reads.ts';
import { type ShardUnderTest, startShardUnderTest, storedIn } from '../load/shard-under-test.ts';
import { createChance } from '../shaped/chance.ts';
import { createPopulation } from '../shaped/population.ts';
import type { Holdings } from '../shaped/requests.ts';

export interface ShardOptions {
  readonly quick: boolean;
  readonly spans?: number | undefined;
  readonly logs?: number | undefined;
  readonly points?: number | undefined;
  /** Keeps the data there; what a folder has already is not loaded again. */
  readonly dataDir?: string | undefined;
  /** Writes a CPU profile of the shard while it is filled. */
  readonly cpuProf: boolean;
}

const SEED = 1;
const RECORDS_PER_REQUEST = 2000;
const CONNECTIONS = 4;
const WARM_UP_SPANS = 20_000;
/** Exports of processes that are not collected into larger ones first, and how many come at once. */
const SMALL_BATCHES = [40, 100];
const SMALL_CONNECTIONS = 16;
/** Of each kind: the 95th percentile of few says little. */
const WARM_READS = 60;
const READS_BESIDE_INGEST = 100;
/** Sizes in spans at which growth is measured, besides the last one. */
const GROWTH_AT = [500_000, 5_000_000];

/**
 * One shard, filled through its OTLP door as deliveries fill it, and asked through its read API, both over HTTP in
 * a process of its own. First a tenth of the data, then all of it, so that it shows how the reads grow.
 */
export async function benchShard(options: ShardOptions): Promise<Figures> {
  const size = sizeOf(options);
  const folder =
    options.dataDir === undefined
      ? await temporaryFolder()
      : { path: options.dataDir, remove: () => Promise.resolve() };
  const dataDir = folder.path;
  const { holdings } = await storedIn(dataDir);
  const generator = await startShapedGenerator(SEED, holdings);
  const bench = { ...options, dataDir, generator };
  try {
    const figures: Record<string, number> = {};
    let smaller: Readonly<Record<string, ReadTimes>> | undefined;
    for (const stage of stagesOf(size, holdings)) {
      Object.assign(figures, await fill(bench, stage));
      const times = await warmReads(bench, stage);
      if (smaller !== undefined) Object.assign(figures, growth(smaller, times));
      smaller = times;
    }
    Object.assign(figures, labelled('warm', smaller ?? {}));
    Object.assign(figures, labelled('cold', await coldReads(bench, size)));
    const rate = (figures.traces_per_second ?? USUAL_RATE) / 2;
    Object.assign(figures, labelled('ingesting', await readsWhileIngesting(bench, rate)));
    for (const spans of SMALL_BATCHES) Object.assign(figures, await smallBatches(bench, spans));
    return figures;
  } finally {
    await generator.stop();
    await folder.remove();
  }
}

interface Bench extends ShardOptions {
  readonly dataDir: string;
  readonly generator: ShapedGenerator;
}

/** Where a folder was filled by an earlier run, half of so much is half speed. */
const USUAL_RATE = 100_000;

function sizeOf({ quick, spans, logs, points }: ShardOptions): Holdings {
  return {
    traces: spans ?? (quick ? 200_000 : 5_000_000),
    logs: logs ?? (quick ? 50_000 : 2_000_000),
    metrics: points ?? (quick ? 50_000 : 2_000_000),
  };
}

/** The sizes to stop at and read: what is there already cannot be measured at a smaller one. */
function stagesOf(size: Holdings, held: Holdings): readonly Holdings[] {
  const below = GROWTH_AT.filter(spans => spans < size.traces);
  const spans = (below.length > 0 ? below : [size.traces / 10]).filter(count => count > held.traces);
  const part = (share: number): Holdings => ({
    traces: Math.round(size.traces * share),
    logs: Math.round(size.logs * share),
    metrics: Math.round(size.metrics * share),
  });
  return [...spans.map(count => part(count / size.traces)), size];
}

/** Loads what is missing, a signal after the other, and measures what it costs and takes on the disk. */
async function fill({ dataDir, generator, cpuProf }: Bench, stage: Holdings): Promise<Figures> {
  const figures: Record<string, number> = {};
  for (const signal of SIGNALS) {
    const before = await storedIn(dataDir);
    const missing = stage[signal] - before.holdings[signal];
    if (missing <= 0) continue;
    const profileDir = cpuProf ? join(import.meta.dirname, '..', 'results') : undefined;
    const shard = await startShardUnderTest({ dataDir, profileDir });
    const load = {
      target: shard.otlp,
      of: 'shard',
      signal,
      recordsPerRequest: RECORDS_PER_REQUEST,
      concurrency: CONNECTIONS,
    } as const;
    const warmUp = Math.min(WARM_UP_SPANS, missing / 10);
    await generator.load({ ...load, records: warmUp });
    const cpuBefore = shard.cpuSeconds();
    const result = await generator.load({ ...load, records: missing - warmUp });
    const cpuSeconds = shard.cpuSeconds() - cpuBefore;
    await shard.stop();
    const after = await storedIn(dataDir);
    Object.assign(figures, {
      ...ingestFigures(signal, result, cpuSeconds),
      [`${signal}_rows_per_commit`]: Math.round(missing / (after.commits - before.commits)),
      [`${signal}_disk_bytes_per_record`]: round((after.usedBytes - before.usedBytes) / missing),
      [`${signal}_gzip_otlp_bytes_per_record`]: round(result.sample.gzipBytes / result.sample.records),
      [`${signal}_otlp_bytes_per_record`]: round(result.bodyBytes / result.records),
      file_mib: Math.round(after.fileBytes / 2 ** 20),
    });
  }
  print(`filled to ${stage.traces} spans, ${stage.logs} logs, ${stage.metrics} points`, figures);
  return figures;
}

function ingestFigures(
  name: string,
  { records, seconds, p50Ms, p99Ms }: ShapedResult,
  cpuSeconds: number,
): Figures {
  return {
    [`${name}_per_second_and_core`]: Math.round(records / cpuSeconds),
    [`${name}_per_second`]: Math.round(records / seconds),
    [`${name}_commit_p50_ms`]: round(p50Ms),
    [`${name}_commit_p99_ms`]: round(p99Ms),
  };
}

type Times = Readonly<Record<string, ReadTimes>>;

async function warmReads({ dataDir, quick }: Bench, holdings: Holdings): Promise<Times> {
  const shard = await startShardUnderTest({ dataDir });
  try {
    return await timesOf(shard, { held: () => Promise.resolve(holdings), count: quick ? 10 : WARM_READS });
  } finally {
    await shard.stop();
  }
}

interface Asking {
  /** What the shard holds, when it is known; asked for before each read, and not timed, when it is not. */
  readonly held?: () => Promise<Holdings>;
  readonly count: number;
}

async function timesOf(shard: ShardUnderTest, { held, count }: Asking): Promise<Times> {
  const client = createReadClient(shard.read);
  const chance = createChance(SEED);
  const questions = async () => ({ chance, holdings: await (held ?? client.holdings)() });
  const times: Record<string, ReadTimes> = {};
  for (const read of readsOf()) {
    await client.time(read, await questions());
    times[read.name] = await client.times(read, questions, count);
  }
  await client.close();
  return times;
}

/** Each read once in a process that has just started; each is the first one in some start. */
async function coldReads({ dataDir, quick }: Bench, holdings: Holdings): Promise<Times> {
  const reads = readsOf();
  const chance = createChance(SEED);
  const all = new Map<TimedRead, number[]>(reads.map(read => [read, []]));
  for (let start = 0; start < (quick ? 2 : reads.length); start++) {
    const shard = await startShardUnderTest({ dataDir });
    const client = createReadClient(shard.read);
    for (const read of [...reads.slice(start), ...reads.slice(0, start)]) {
      all.get(read)?.push(await client.time(read, { chance, holdings }));
    }
    await client.close();
    await shard.stop();
  }
  return Object.fromEntries(
    Array.from(all, ([{ name }, ms]) => [name, { p50Ms: percentile(ms, 0.5), p95Ms: percentile(ms, 0.95) }]),
  );
}

async function readsWhileIngesting({ dataDir, generator, quick }: Bench, rate: number): Promise<Times> {
  const shard = await startShardUnderTest({ dataDir });
  const enough = generator.keepLoading({
    target: shard.otlp,
    of: 'shard',
    signal: 'traces',
    recordsPerRequest: RECORDS_PER_REQUEST,
    concurrency: CONNECTIONS,
    rate,
  });
  await sleep(1000);
  // The last hour is that of what has come so far: spans come hundreds of times faster than they are dated.
  const times = await timesOf(shard, { count: quick ? 8 : READS_BESIDE_INGEST });
  const { records, seconds } = await enough();
  console.log(`while ingesting ${Math.round(records / seconds)} spans/s:`);
  await shard.stop();
  return times;
}

async function smallBatches({ dataDir, generator, quick }: Bench, spans: number): Promise<Figures> {
  const before = await storedIn(dataDir);
  const shard = await startShardUnderTest({ dataDir });
  const load = {
    target: shard.otlp,
    of: 'shard',
    signal: 'traces',
    recordsPerRequest: spans,
    concurrency: SMALL_CONNECTIONS,
  } as const;
  await generator.load({ ...load, records: 20 * spans });
  const cpuBefore = shard.cpuSeconds();
  const enough = generator.keepLoading(load);
  await sleep(quick ? 1500 : 5000);
  const result = await enough();
  const cpuSeconds = shard.cpuSeconds() - cpuBefore;
  await shard.stop();
  const after = await storedIn(dataDir);
  const name = `batches_of_${spans}`;
  const figures = {
    ...ingestFigures(name, result, cpuSeconds),
    [`${name}_rows_per_commit`]: Math.round(result.records / (after.commits - before.commits)),
  };
  print(`${spans} spans a batch, ${SMALL_CONNECTIONS} at once`, figures);
  return figures;
}

function readsOf(): readonly TimedRead[] {
  const { services } = createPopulation(createOtlpTypes(), SEED);
  return timedReads(services.map(service => service.name));
}

function growth(smaller: Times, larger: Times): Figures {
  return Object.fromEntries(
    Object.entries(larger).map(([name, { p50Ms }]) => [
      `${name}_growth`,
      round(p50Ms / (smaller[name]?.p50Ms ?? p50Ms)),
    ]),
  );
}

function labelled(when: string, times: Times): Figures {
  const figures: Record<string, number> = {};
  for (const [name, { p50Ms, p95Ms }] of Object.entries(times)) {
    console.log(
      `${name.padEnd(26)} ${when.padEnd(10)} p50 ${p50Ms.toFixed(1).padStart(7)} ms  p95 ${p95Ms.toFixed(1).padStart(7)} ms`,
    );
    figures[`${name}_${when}_p50_ms`] = round(p50Ms);
    figures[`${name}_${when}_p95_ms`] = round(p95Ms);
  }
  return figures;
}

function print(title: string, figures: Figures): void {
  console.log(`${title}:`);
  for (const [name, value] of Object.entries(figures))
    console.log(`  ${name.padEnd(38)} ${value.toLocaleString('en')}`);
}
