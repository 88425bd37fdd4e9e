import { expect } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { brokenAccounts, toldBrokenAccounts } from './accounts.ts';
import { openDataFolderQueue } from './queue-samples.ts';

interface Accounts {
  /** Base URL of the metrics of a running replica. */
  readonly metrics: string;
  /** The queue that it uses, opened beside it. */
  readonly queue: Pick<BatchQueue, 'shards' | 'audit'>;
}

/** The conservation rule, see {@link brokenAccounts}. */
export async function expectConserved(queue: Accounts['queue']): Promise<void> {
  expect(await brokenAccounts(queue)).toEqual([]);
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
  expect(await toldBrokenAccounts(metrics)).toEqual([]);
  expect(await queue.shards()).not.toEqual([]);
  await expectConserved(queue);
}
