import { setTimeout as sleep } from 'node:timers/promises';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { SIGNALS, type Signal } from '../../src/shared/otlp/signal.ts';
import { type Figures, percentile } from '../figures.ts';
import { createAsker } from '../load/asker.ts';
import { type ShapedGenerator, type ShapedResult, startShapedGenerator } from '../load/shaped-load.ts';
import { createChance } from '../shaped/chance.ts';
import { createPopulation } from '../shaped/population.ts';
import type { Holdings } from '../shaped/requests.ts';
import { nextQuestion } from '../soak/questions.ts';
import { takeReadings } from '../soak/readings.ts';
import { lineOf, report, type Window } from '../soak/report.ts';
import { type SoakSite, startSoakSite } from '../soak/site.ts';

export interface SoakOptions {
  readonly quick: boolean;
  readonly minutes: number;
}

const SEED = 1;
const NOTHING: Holdings = { traces: 0, logs: 0, metrics: 0 };
/** Of all records; each signal has a generator of its own. */
const SHARE: Holdings = { traces: 0.6, logs: 0.2, metrics: 0.2 };
const RECORDS_PER_REQUEST = 500;
const CONNECTIONS = 4;
const LOAD_OF_MAXIMUM = 0.7;
const PAUSE_BETWEEN_QUESTIONS_MS = 500;
const DRAINED_WITHIN_MS = 300_000;

/**
 * Everything for a long time at seven tenths of what it can do, with random questions beside it: nothing may grow but the
 * data. The second half of the time is compared with the first.
 */
export async function benchSoak({ quick, minutes }: SoakOptions): Promise<Figures> {
  const windowSeconds = quick ? 4 : 60;
  const windows: Window[] = [];
  const site = await startSoakSite();
  const generators = await Promise.all(SIGNALS.map(() => startShapedGenerator(SEED, NOTHING)));
  const load = createLoad(site, generators);
  try {
    const maximum = await findMaximum(site, load, quick ? 4 : 30);
    const rate = maximum * LOAD_OF_MAXIMUM;
    console.log(`maximum ${Math.round(maximum)} records/s until stored; from here on ${Math.round(rate)}`);
    for (let count = quick ? 3 : minutes; count > 0; count--) {
      const window = await runWindow(site, load, { rate, seconds: windowSeconds });
      windows.push(window);
      console.log(lineOf(windows.length, window));
    }
    return report(windows, rate);
  } finally {
    await Promise.all(generators.map(generator => generator.stop()));
    await site.stop();
  }
}

interface Load {
  /** Records that were acknowledged so far. */
  readonly sent: Record<Signal, number>;
  /** All signals at once, spans to one replica and the others to the other. */
  run(records: number, rate?: number): Promise<readonly ShapedResult[]>;
}

function createLoad(site: SoakSite, generators: readonly ShapedGenerator[]): Load {
  const sent = { ...NOTHING };
  return {
    sent,
    run: (records, rate) =>
      Promise.all(
        SIGNALS.map(async (signal, index) => {
          const result = await (generators[index] as ShapedGenerator).load({
            target: site.doors[signal === 'traces' ? 0 : 1] as string,
            of: 'ingest',
            signal,
            recordsPerRequest: RECORDS_PER_REQUEST,
            concurrency: CONNECTIONS,
            records: Math.round(records * SHARE[signal]),
            ...(rate !== undefined && { rate: rate * SHARE[signal] }),
          });
          sent[signal] += result.records;
          return result;
        }),
      ),
  };
}

/** Records a second from the first request until the last one is in its shard, with the questions beside them. */
async function findMaximum(site: SoakSite, load: Load, seconds: number): Promise<number> {
  await load.run(20_000);
  await drained(site);
  const over = new AbortController();
  const asking = askQuestions(site, load, over.signal);
  let records = 0;
  const startMs = performance.now();
  while (performance.now() - startMs < seconds * 1000) {
    records += (await load.run(50_000)).reduce((sum, result) => sum + result.records, 0);
  }
  await drained(site);
  const tookMs = performance.now() - startMs;
  over.abort();
  await asking;
  return (1000 * records) / tookMs;
}

async function drained(site: SoakSite): Promise<void> {
  const untilMs = performance.now() + DRAINED_WITHIN_MS;
  while ((await takeReadings(site)).queued > 0) {
    if (performance.now() > untilMs) throw new Error(`the queue was not drained in ${DRAINED_WITHIN_MS} ms`);
    await sleep(100);
  }
}

async function runWindow(
  site: SoakSite,
  load: Load,
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
): Promise<Window> {
  const over = new AbortController();
  const asking = askQuestions(site, load, over.signal);
  const results = await load.run(rate * seconds, rate);
  over.abort();
  const { tookMs, incomplete } = await asking;
  return {
    ...(await takeReadings(site)),
    records: results.reduce((sum, result) => sum + result.records, 0),
    repeats: results.reduce((sum, result) => sum + result.repeats, 0),
    ackP99Ms: Math.max(...results.map(({ p99Ms }) => p99Ms)),
    queryP50Ms: percentile(tookMs, 0.5),
    queryP99Ms: percentile(tookMs, 0.99),
    incomplete,
  };
}

/** One question after the other, to either proxy in turn. */
async function askQuestions(site: SoakSite, { sent }: Load, over: AbortSignal) {
  const askers = site.apis.map(url => createAsker(url));
  const services = createPopulation(createOtlpTypes(), SEED).services.map(({ name }) => name);
  const chance = createChance(sent.traces);
  const tookMs: number[] = [];
  let incomplete = 0;
  while (!over.aborted) {
    const question = nextQuestion({ chance, services, sent });
    const asker = askers[tookMs.length % askers.length] as (typeof askers)[number];
    const startMs = performance.now();
    if ((await asker.ask(question)).missing !== '') incomplete += 1;
    tookMs.push(performance.now() - startMs);
    await sleep(PAUSE_BETWEEN_QUESTIONS_MS, undefined, { signal: over }).catch(() => undefined);
  }
  await Promise.all(askers.map(asker => asker.close()));
  return { tookMs, incomplete };
}
