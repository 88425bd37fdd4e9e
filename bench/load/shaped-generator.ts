import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { percentile } from '../figures.ts';
import { createRequests, type Requests } from '../shaped/requests.ts';
import { createDelivery } from './delivery.ts';
import { createExport } from './export.ts';
import type { ShapedLoad, ShapedOrder, ShapedResult } from './shaped-load.ts';

/** Every so many requests one is compressed too; all of them would cost more than sending them. */
const GZIP_EVERY = 50;

const NOTHING: ShapedResult = {
  records: 0,
  seconds: 0,
  bodyBytes: 0,
  sample: { records: 0, gzipBytes: 0 },
  repeats: 0,
  p50Ms: 0,
  p99Ms: 0,
};

let requests: Requests | undefined;
let isEnough = false;

async function load({ records = Infinity, rate, ...plan }: ShapedLoad): Promise<ShapedResult> {
  const delivery = plan.of === 'shard' ? createDelivery(plan) : createExport(plan);
  const latenciesMs: number[] = [];
  const sample = { records: 0, gzipBytes: 0 };
  let sent = 0;
  let bodyBytes = 0;
  let count = 0;
  let repeats = 0;
  isEnough = false;
  const startMs = performance.now();

  const dueMsOf = (record: number) => (rate === undefined ? undefined : startMs + (1000 * record) / rate);

  async function sendOne(): Promise<void> {
    const dueMs = dueMsOf(sent) ?? performance.now();
    const size = Math.min(plan.recordsPerRequest, records - sent);
    sent += size;
    const body = (requests as Requests).next(plan.signal, size);
    bodyBytes += body.length;
    if (count++ % GZIP_EVERY === 0) {
      sample.records += size;
      sample.gzipBytes += gzipSync(body).length;
    }
    repeats += await delivery.send(body);
    latenciesMs.push(performance.now() - dueMs);
  }

  async function sendMany(): Promise<void> {
    while (!isEnough && sent < records) {
      const earlyMs = (dueMsOf(sent) ?? 0) - performance.now();
      if (earlyMs > 1) await sleep(earlyMs);
      else await sendOne();
    }
  }

  await Promise.all(Array.from({ length: plan.concurrency }, sendMany));
  const seconds = (performance.now() - startMs) / 1000;
  await delivery.close();
  return {
    records: sent,
    seconds,
    bodyBytes,
    sample,
    repeats,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
  };
}

async function obey(order: ShapedOrder): Promise<void> {
  switch (order.kind) {
    case 'begin':
      requests = createRequests(createOtlpTypes(), order.seed, order.holdings);
      process.send?.(NOTHING);
      break;
    case 'load':
      process.send?.(await load(order));
      break;
    case 'enough':
      isEnough = true;
      break;
    default:
      order satisfies never;
  }
}

process.on('message', order => {
  obey(order as ShapedOrder).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
process.on('disconnect', () => process.exit());
