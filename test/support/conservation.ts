import { expect } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { unaccounted } from '../../src/ingest/telemetry/queue-metrics.ts';
import { scrape } from './metrics.ts';

interface Accounts {
  /** Base URL of the metrics of a running replica. */
  readonly metrics: string;
  /** The queue that it uses, opened beside it. */
  readonly queue: Pick<BatchQueue, 'shards' | 'audit'>;
}

/**
 * The conservation rule after a fault: accepted = queued + delivered + dead-lettered + rerouted, for every shard and
 * signal, as the replica tells it in its metrics and as the queue counts it now, batch by batch.
 */
export async function expectNothingUnaccounted({ metrics, queue }: Accounts): Promise<void> {
  const told = (await scrape(metrics)).filter(({ name }) => name === 'otelfan_unaccounted_records');
  expect(told).not.toEqual([]);
  for (const { labels, value } of told) expect(value, JSON.stringify(labels)).toBe(0);

  const shards = await queue.shards();
  expect(shards).not.toEqual([]);
  for (const shard of shards) {
    const audit = await queue.audit(shard);
    expect(unaccounted(audit), `${shard}: ${JSON.stringify(audit)}`).toEqual({
      traces: 0,
      logs: 0,
      metrics: 0,
    });
  }
}
