import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { unaccounted } from '../../src/ingest/telemetry/queue-metrics.ts';
import { SIGNALS } from '../../src/shared/otlp/signal.ts';
import { scrape } from './metrics.ts';

/**
 * Where the conservation rule is broken, one line each: accepted = queued + delivered + dead-lettered + rerouted, for
 * every shard and signal, counted batch by batch.
 */
export async function brokenAccounts(queue: Pick<BatchQueue, 'shards' | 'audit'>): Promise<string[]> {
  const broken: string[] = [];
  for (const shard of await queue.shards()) {
    const audit = await queue.audit(shard);
    const missing = unaccounted(audit);
    for (const signal of SIGNALS.filter(name => missing[name] !== 0)) {
      broken.push(`${missing[signal]} ${signal} of ${shard} unaccounted for: ${JSON.stringify(audit)}`);
    }
  }
  return broken;
}

/** The same as a replica tells it in its metrics. */
export async function toldBrokenAccounts(metricsUrl: string): Promise<string[]> {
  const told = (await scrape(metricsUrl)).filter(({ name }) => name === 'otelfan_unaccounted_records');
  if (told.length === 0) return [`${metricsUrl}/metrics does not tell otelfan_unaccounted_records`];
  return told
    .filter(({ value }) => value !== 0)
    .map(({ labels, value }) => `${value} ${JSON.stringify(labels)}`);
}
