import { expect } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { unaccounted } from '../../src/ingest/telemetry/queue-metrics.ts';
import { scrape } from './metrics.ts';
import { openDataFolderQueue } from './queue-samples.ts';

interface Accounts {
  /** Base URL of the metrics of a running replica. */
  readonly metrics: string;
  /** The queue that it uses, opened beside it. */
  readonly queue: Pick<BatchQueue, 'shards' | 'audit'>;
}

/** The conservation rule: accepted = queued + delivered + dead-lettered + rerouted, counted batch by batch. */
export async function expectConserved(queue: Accounts['queue']): Promise<void> {
  for (const shard of await queue.shards()) {
    const audit = await queue.audit(shard);
    expect(unaccounted(audit), `${shard}: ${JSON.stringify(audit)}`).toEqual({
      traces: 0,
      logs: 0,
      metrics: 0,
    });
  }
}

/** The same of the queue in a data folder. */
export async function expectFolderConserved(dataDir: string): Promise<void> {
  const queue = await openDataFolderQueue(dataDir);
  try {
    expect(await queue.shards()).not.toEqual([]);
    await expectConserved(queue);
  } finally {
    await queue.stop();
  }
}

/** The same after a fault, as the replica tells it in its metrics and as its queue counts it now. */
export async function expectNothingUnaccounted({ metrics, queue }: Accounts): Promise<void> {
  const told = (await scrape(metrics)).filter(({ name }) => name === 'otelfan_unaccounted_records');
  expect(told).not.toEqual([]);
  for (const { labels, value } of told) expect(value, JSON.stringify(labels)).toBe(0);
  expect(await queue.shards()).not.toEqual([]);
  await expectConserved(queue);
}
