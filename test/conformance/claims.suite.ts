import { describe, expect, it } from 'vitest';
import type { BatchQueue, Claim, ClaimOrder } from '../../src/ingest/queue/batch-queue.ts';
import { newBatch } from './new-batch.ts';
import type { Here } from './queue-site.ts';

const idsOf = (claims: readonly (Claim | undefined)[]) =>
  claims.flatMap(claimed => (claimed === undefined ? [] : [claimed.batch.id]));

const HOUR_MS = 3_600_000;

export function describeClaims(here: Here): void {
  const manyBatches = (count: number, acceptedAtMs = Date.now()) =>
    Array.from({ length: count }, () => newBatch(here.shard, { acceptedAtMs }));

  const claimTimes = async (count: number, order: ClaimOrder) => {
    const claims: Claim[] = [];
    for (let index = 0; index < count; index += 1) claims.push(await here.claim(order));
    return idsOf(claims);
  };

  describe('claims', () => {
    it('no batch is handed out twice while its lease lasts', async () => {
      const batches = manyBatches(5);
      await here.store(...batches);
      const claims = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          here.queue.claim(here.shard, index % 2 === 0 ? 'oldest' : 'newest'),
        ),
      );
      expect(idsOf(claims).toSorted()).toEqual(batches.map(batch => batch.id).toSorted());
    });

    it('a batch is handed out again when its lease is over', async () => {
      const batch = newBatch(here.shard);
      await here.storeAndClaim(batch);
      await here.site.elapse(here.site.leaseMs * 2);
      expect((await here.claim()).batch).toEqual(batch);
    });

    it('a batch is handed out again when the queue that claimed it is gone', async () => {
      const batch = newBatch(here.shard);
      await here.storeAndClaim(batch);
      await here.reopen();
      await here.site.elapse(here.site.leaseMs * 2);
      expect((await here.claim()).batch).toEqual(batch);
    });

    it('a release by an owner who lost the batch leaves it with the new one', async () => {
      const lost = await here.storeAndClaim(newBatch(here.shard));
      await here.site.elapse(here.site.leaseMs * 2);
      const taken = await here.claim();
      await here.queue.release(lost, 0);
      await here.expectNothingToClaim();
      await here.queue.ack(taken);
      await here.queue.ack(lost);
      expect(await here.queue.stats(here.shard)).toMatchObject({ batches: 0, delivered: { traces: 1 } });
    });

    it('a late ack of a lost claim counts', async () => {
      const lost = await here.storeAndClaim(newBatch(here.shard));
      await here.site.elapse(here.site.leaseMs * 2);
      await here.queue.ack(lost);
      await here.site.elapse(here.site.leaseMs * 2);
      await here.expectNothingToClaim();
      expect(await here.queue.stats(here.shard)).toMatchObject({ batches: 0, delivered: { traces: 1 } });
    });

    it('a released batch rests for its delay', async () => {
      const batch = newBatch(here.shard);
      await here.queue.release(await here.storeAndClaim(batch), 200);
      await here.expectNothingToClaim();
      await here.site.elapse(300);
      expect((await here.claim()).batch).toEqual(batch);
    });

    it('a released batch rests for its delay and no longer, also when the time is set back by an hour', async () => {
      const batch = newBatch(here.shard);
      here.site.setTime(HOUR_MS);
      await here.queue.release(await here.storeAndClaim(batch), 100);
      here.site.setTime(0);
      await here.site.elapse(150);
      const claimedId = async () => (await here.queue.claim(here.shard, 'oldest'))?.batch.id;
      await expect.poll(claimedId, { timeout: 5000 }).toBe(batch.id);
    });

    it('a claim holds for its lease, also when the time is set forward by a day', async () => {
      await here.storeAndClaim(newBatch(here.shard));
      here.site.setTime(24 * HOUR_MS);
      await here.expectNothingToClaim();
    });

    it('a batch may be released any number of times', async () => {
      const batch = newBatch(here.shard);
      await here.store(batch);
      for (let times = 0; times < 20; times += 1) {
        await here.queue.release(await here.claim(), 0);
        await here.site.elapse(5);
      }
      expect((await here.claim()).batch).toEqual(batch);
    });
  });

  describe('order', () => {
    it('oldest first', async () => {
      const batches = Array.from({ length: 6 }, () => newBatch(here.shard));
      for (const batch of batches) await here.store(batch);
      expect(await claimTimes(6, 'oldest')).toEqual(batches.map(batch => batch.id));
    });

    it('oldest first: a released batch that is due comes before younger ones', async () => {
      const [older, younger] = [newBatch(here.shard), newBatch(here.shard)];
      await here.store(older);
      await here.store(younger);
      await here.queue.release(await here.claim(), 50);
      expect((await here.claim()).batch.id).toBe(younger.id);
      const youngest = newBatch(here.shard);
      await here.store(youngest);
      await here.site.elapse(150);
      expect(await claimTimes(2, 'oldest')).toEqual([older.id, youngest.id]);
    });

    it('newest first: what is fresh need not wait behind a backlog', async () => {
      const backlog = manyBatches(6, Date.now() - here.site.backlogAgeMs);
      await here.store(...backlog);
      const fresh = manyBatches(3);
      await here.store(...fresh);
      expect((await claimTimes(3, 'newest')).toSorted()).toEqual(fresh.map(batch => batch.id).toSorted());
    });

    it('newest first: the backlog comes when nothing is fresh', async () => {
      const backlog = manyBatches(4, Date.now() - here.site.backlogAgeMs);
      await here.store(...backlog);
      expect((await claimTimes(4, 'newest')).toSorted()).toEqual(backlog.map(batch => batch.id).toSorted());
      await here.expectNothingToClaim();
    });

    it('claims of both kinds share a lane: the backlog drains from one end, the fresh from the other', async () => {
      const backlog = manyBatches(3, Date.now() - here.site.backlogAgeMs);
      const fresh = manyBatches(3);
      await here.store(...backlog);
      await here.store(...fresh);
      const [old, young]: [string[], string[]] = [[], []];
      for (let index = 0; index < 3; index += 1) {
        young.push((await here.claim('newest')).batch.id);
        old.push((await here.claim('oldest')).batch.id);
      }
      expect(old.toSorted()).toEqual(backlog.map(batch => batch.id).toSorted());
      expect(young.toSorted()).toEqual(fresh.map(batch => batch.id).toSorted());
    });
  });

  describe('several at once', () => {
    it('two queues never hold the same batch', async () => {
      const beside = await here.openBeside();
      const batches = manyBatches(20);
      await here.store(...batches);
      const claims = await Promise.all(
        Array.from({ length: 24 }, (_, index) =>
          (index % 2 === 0 ? here.queue : beside).claim(here.shard, index % 4 < 2 ? 'oldest' : 'newest'),
        ),
      );
      expect(idsOf(claims).toSorted()).toEqual(batches.map(batch => batch.id).toSorted());
    });

    it('what one enqueues another claims and settles, and both say so', async () => {
      const beside = await here.openBeside();
      const [first, second] = [newBatch(here.shard), newBatch(here.shard)];
      await here.store(first);
      expect(await beside.enqueue([second])).toEqual({ kind: 'stored' });
      const claims = [await here.queue.claim(here.shard, 'oldest'), await beside.claim(here.shard, 'oldest')];
      expect(idsOf(claims)).toEqual([first.id, second.id]);
      const [mine, theirs] = claims as [Claim, Claim];
      await here.queue.ack(mine);
      await beside.deadLetter(theirs, 'no');
      const stats = await here.queue.stats(here.shard);
      expect(stats).toMatchObject({ batches: 0, delivered: { traces: 1 }, deadLettered: { traces: 1 } });
      expect(await beside.stats(here.shard)).toEqual(stats);
      expect(await here.queue.replay(second)).toBe(true);
      expect((await beside.claim(here.shard, 'oldest'))?.batch).toEqual(second);
    });

    it('a released batch rests for everybody', async () => {
      const beside = await here.openBeside();
      const batch = newBatch(here.shard);
      await here.queue.release(await here.storeAndClaim(batch), 200);
      expect(await beside.claim(here.shard, 'oldest')).toBeUndefined();
      await here.site.elapse(300);
      expect((await beside.claim(here.shard, 'oldest'))?.batch).toEqual(batch);
    });

    it('claims of a queue that went are taken over by another, after two leases at the latest', async () => {
      const gone: BatchQueue = await here.openBeside();
      const batches = manyBatches(3);
      await here.store(...batches);
      for (const _ of batches) await gone.claim(here.shard, 'oldest');
      await gone.stop();
      await here.site.elapse(here.site.leaseMs * 2);
      expect((await claimTimes(3, 'oldest')).toSorted()).toEqual(batches.map(batch => batch.id).toSorted());
    });

    it('batches enqueued under one id at the same time are one batch', async () => {
      const beside = await here.openBeside();
      const batch = newBatch(here.shard);
      const outcomes = await Promise.all([here.queue.enqueue([batch]), beside.enqueue([batch])]);
      expect(outcomes).toEqual([{ kind: 'stored' }, { kind: 'stored' }]);
      expect(await here.queue.stats(here.shard)).toMatchObject({ batches: 1, accepted: { traces: 1 } });
      await here.claim();
      await here.expectNothingToClaim();
    });
  });
}
