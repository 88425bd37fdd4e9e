import { setTimeout as sleep } from 'node:timers/promises';
import { createBodies } from './bodies.ts';
import type { LoadPlan, LoadResult } from './load.ts';
import { createSender } from './senders.ts';

/*
 * The load generator, a process of its own so that its work is not counted as the receiver's. Its argument is a
 * LoadPlan, its answer a LoadResult as one line of JSON.
 */

/** With a rate, so many times `concurrency` may be on the way before requests are sent late. */
const RATED_CONCURRENCY_FACTOR = 8;

const plan = JSON.parse(process.argv[2] ?? '{}') as LoadPlan;
const nextBody = createBodies(plan);
const sender = createSender(plan);
const latenciesMs: number[] = [];
let failed = 0;
let partial = 0;
let failure: string | undefined;

async function sendOne(dueMs: number): Promise<void> {
  try {
    const answer = await sender.send(nextBody());
    latenciesMs.push(performance.now() - dueMs);
    // An answer of more than `{}` has something to say.
    if (answer.length > 2) partial += 1;
  } catch (error) {
    failed += 1;
    failure ??= (error as Error).message;
    await sleep(20);
  }
}

async function asFastAsPossible(untilMs: number): Promise<void> {
  const worker = async () => {
    while (performance.now() < untilMs) await sendOne(performance.now());
  };
  await Promise.all(Array.from({ length: plan.concurrency }, worker));
}

async function atRate(recordsPerSecond: number, untilMs: number): Promise<void> {
  const intervalMs = (1000 * plan.recordsPerRequest) / recordsPerSecond;
  const onTheWay = new Set<Promise<void>>();
  const max = plan.concurrency * RATED_CONCURRENCY_FACTOR;
  for (let dueMs = performance.now(); dueMs < untilMs; dueMs += intervalMs) {
    const early = dueMs - performance.now();
    if (early > 1) await sleep(early);
    while (onTheWay.size >= max) await Promise.race(onTheWay);
    const sending = sendOne(dueMs).finally(() => onTheWay.delete(sending));
    onTheWay.add(sending);
  }
  await Promise.all(onTheWay);
}

const startMs = performance.now();
const untilMs = startMs + plan.seconds * 1000;
await (plan.rate === undefined ? asFastAsPossible(untilMs) : atRate(plan.rate, untilMs));
const seconds = (performance.now() - startMs) / 1000;
await sender.close();
latenciesMs.sort((a, b) => a - b);
const percentile = (p: number) => latenciesMs[Math.round((latenciesMs.length - 1) * p)] ?? 0;
const result: LoadResult = {
  records: latenciesMs.length * plan.recordsPerRequest,
  failed,
  partial,
  seconds,
  p50Ms: percentile(0.5),
  p99Ms: percentile(0.99),
  failure,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
