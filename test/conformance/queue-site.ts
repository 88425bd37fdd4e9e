import { afterEach, beforeEach, expect } from 'vitest';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import type { BatchQueue, Claim, ClaimOrder } from '../../src/ingest/queue/batch-queue.ts';

/** One place where batches are stored, and the power over time and disks that the suite needs. */
export interface QueueSite {
  readonly leaseMs: number;
  /** A batch accepted this long ago is backlog for this backend, one accepted at this moment is not. */
  readonly backlogAgeMs: number;
  /** One more queue over what the site holds, as another process would open it. */
  open(): Promise<BatchQueue>;
  /** Lets this much of the queue's time pass. */
  elapse(ms: number): Promise<void>;
  /** Sets the time of day so far ahead of, or behind, what it would be. */
  setTime(offsetMs: number): void;
  /** Changes a byte of a stored payload, behind the queue's back and with all queues stopped. */
  damage(shard: string, id: string): Promise<void>;
  /** Removes a stored payload likewise. */
  removePayload(shard: string, id: string): Promise<void>;
  /** Arguments of `enqueue-until-killed.ts` for this site. */
  readonly childArguments: readonly string[];
  /** A lane name that nobody used before. */
  newShard(): string;
  close(): Promise<void>;
}

/** What each test of the suite gets afresh. */
export interface Here {
  readonly site: QueueSite;
  readonly queue: BatchQueue;
  /** A lane of its own. */
  readonly shard: string;
  /** How many tests have ended so far. */
  readonly ran: number;
  /** Stops the queue, does something to the site if asked, and opens it again. */
  reopen(meanwhile?: () => Promise<unknown>): Promise<void>;
  /** Another queue on the same site, stopped when the test ends. */
  openBeside(): Promise<BatchQueue>;
  store(...batches: readonly Batch[]): Promise<void>;
  /** Something must be due. */
  claim(order?: ClaimOrder): Promise<Claim>;
  /** Stores a batch and claims it. */
  storeAndClaim(batch: Batch): Promise<Claim>;
  expectNothingToClaim(): Promise<void>;
}

export function useQueue(createSite: () => Promise<QueueSite>): Here {
  let site: QueueSite;
  let queue: BatchQueue;
  let shard: string;
  let beside: BatchQueue[] = [];
  let ran = 0;

  beforeEach(async () => {
    site = await createSite();
    queue = await site.open();
    shard = site.newShard();
    beside = [];
  });

  afterEach(async () => {
    ran += 1;
    for (const open of [queue, ...beside]) await open.stop();
    await site.close();
  });

  const here: Here = {
    get site() {
      return site;
    },
    get queue() {
      return queue;
    },
    get shard() {
      return shard;
    },
    get ran() {
      return ran;
    },
    async reopen(meanwhile) {
      await queue.stop();
      await meanwhile?.();
      queue = await site.open();
    },
    async openBeside() {
      const another = await site.open();
      beside.push(another);
      return another;
    },
    async store(...batches) {
      expect(await queue.enqueue(batches)).toEqual({ kind: 'stored' });
    },
    async claim(order = 'oldest') {
      const claimed = await queue.claim(shard, order);
      if (claimed === undefined) throw new Error('nothing to claim');
      return claimed;
    },
    async storeAndClaim(batch) {
      await here.store(batch);
      return here.claim();
    },
    async expectNothingToClaim() {
      expect(await queue.claim(shard, 'oldest')).toBeUndefined();
      expect(await queue.claim(shard, 'newest')).toBeUndefined();
    },
  };
  return here;
}
