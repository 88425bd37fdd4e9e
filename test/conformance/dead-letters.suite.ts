import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import type { DeadLetter } from '../../src/ingest/queue/batch-queue.ts';
import { newBatch } from './new-batch.ts';
import type { Here } from './queue-site.ts';

export function describeDeadLetters(here: Here): void {
  /** One after the other, so that the order of their deaths is known. */
  const makeDeadLetters = async (count: number): Promise<Batch[]> => {
    const batches: Batch[] = [];
    for (let index = 0; index < count; index += 1) {
      const batch = newBatch(here.shard);
      await here.queue.deadLetter(await here.storeAndClaim(batch), `reason ${index}`);
      await here.site.elapse(2);
      batches.push(batch);
    }
    return batches;
  };

  const list = (limit: number, after?: string) =>
    here.queue.deadLetters(here.shard, after === undefined ? { limit } : { after, limit });

  const idsOf = (letters: readonly Pick<DeadLetter, 'id'>[]) => letters.map(letter => letter.id);

  describe('dead letters', () => {
    it('tell what there is to know of the batch, why and when', async () => {
      const batch = newBatch(here.shard, {
        signal: 'metrics',
        records: 7,
        acceptedAtMs: 1000,
        payload: Buffer.from('abc'),
      });
      const claimed = await here.storeAndClaim(batch);
      await here.queue.deadLetter(claimed, 'the shard said "no"\nand meant it, 100 % — naïvely');
      const [letter, ...others] = await list(10);
      expect(others).toEqual([]);
      expect(letter).toEqual({
        id: batch.id,
        shard: here.shard,
        signal: 'metrics',
        records: 7,
        acceptedAtMs: 1000,
        sizeBytes: 3,
        reason: 'the shard said "no"\nand meant it, 100 % — naïvely',
        deadAtMs: expect.any(Number),
      });
      expect(Math.abs((letter as DeadLetter).deadAtMs - Date.now())).toBeLessThan(60_000);
      expect(await here.queue.deadLetterBatch(batch)).toEqual(batch);
    });

    it('come oldest first by their death, page by page', async () => {
      const batches = await makeDeadLetters(5);
      const first = await list(2);
      const second = await list(2, first.at(-1)?.id);
      const third = await list(2, second.at(-1)?.id);
      expect([first, second, third].map(page => page.length)).toEqual([2, 2, 1]);
      expect(idsOf([...first, ...second, ...third])).toEqual(idsOf(batches));
      expect(await list(2, third.at(-1)?.id)).toEqual([]);
      await here.reopen();
      expect(idsOf(await list(10))).toEqual(idsOf(batches));
    });

    it('come in full when many died in one moment', async () => {
      const claimed = await here.storeAndClaim(newBatch(here.shard, { records: 9 }));
      const parts = Array.from({ length: 9 }, () => ({ batch: newBatch(here.shard), reason: 'no' }));
      await here.queue.ackExcept(claimed, parts);
      const seen: string[] = [];
      for (let page = await list(4); page.length > 0; page = await list(4, seen.at(-1))) {
        seen.push(...idsOf(page));
      }
      expect(seen.toSorted()).toEqual(parts.map(part => part.batch.id).toSorted());
      expect(new Set(seen).size).toBe(9);
    });

    it('start again from the oldest when the one to start after is gone', async () => {
      const batches = await makeDeadLetters(3);
      await here.queue.purge(batches[1] as Batch);
      expect(idsOf(await list(10, batches[1]?.id))).toEqual(idsOf([batches[0], batches[2]] as Batch[]));
    });

    it('belong to one shard', async () => {
      const [batch] = (await makeDeadLetters(1)) as [Batch];
      const other = { shard: here.site.newShard(), id: batch.id };
      expect(await here.queue.deadLetters(other.shard, { limit: 10 })).toEqual([]);
      expect(await here.queue.deadLetterBatch(other)).toBeUndefined();
      expect(await here.queue.replay(other)).toBe(false);
      expect(await here.queue.purge(other)).toBe(false);
    });

    it('are not batches that wait, are claimed or were delivered', async () => {
      const batch = newBatch(here.shard);
      const expectNone = async () => {
        expect(await here.queue.deadLetterBatch(batch)).toBeUndefined();
        expect(await here.queue.replay(batch)).toBe(false);
        expect(await here.queue.purge(batch)).toBe(false);
        expect(await list(10)).toEqual([]);
      };
      await here.store(batch);
      await expectNone();
      const claimed = await here.claim();
      await expectNone();
      await here.queue.ack(claimed);
      await expectNone();
      expect(await here.queue.stats(here.shard)).toMatchObject({ batches: 0, delivered: { traces: 1 } });
    });
  });

  describe('a dead letter that is replayed', () => {
    it('is due at once with the same bytes under the same id, and the accounts follow', async () => {
      const batch = newBatch(here.shard, { records: 4, payload: Buffer.from([0, 255, 10, 13, 0]) });
      await here.queue.deadLetter(await here.storeAndClaim(batch), 'no');
      expect(await here.queue.replay(batch)).toBe(true);
      expect(await here.queue.stats(here.shard)).toMatchObject({
        batches: 1,
        sizeBytes: 5,
        oldestAcceptedAtMs: batch.acceptedAtMs,
        deadBatches: 0,
        accepted: { traces: 4 },
        deadLettered: { traces: 0 },
      });
      const replayed = await here.claim();
      expect(replayed.batch).toEqual(batch);
      await here.queue.ack(replayed);
      expect(await here.queue.stats(here.shard)).toMatchObject({
        batches: 0,
        sizeBytes: 0,
        deadBatches: 0,
        delivered: { traces: 4 },
        deadLettered: { traces: 0 },
      });
      expect(await list(10)).toEqual([]);
    });

    it('is a batch like any other: survives, can be released, and can die again', async () => {
      const [batch] = (await makeDeadLetters(1)) as [Batch];
      await here.queue.replay(batch);
      await here.reopen();
      await here.queue.release(await here.claim(), 0);
      await here.site.elapse(5);
      await here.queue.deadLetter(await here.claim(), 'still no');
      expect(await list(10)).toMatchObject([{ id: batch.id, reason: 'still no' }]);
      expect(await here.queue.replay(batch)).toBe(true);
      expect((await here.claim()).batch).toEqual(batch);
    });

    it('is replayed once: the second time there is no such dead letter', async () => {
      const [batch] = (await makeDeadLetters(1)) as [Batch];
      expect([await here.queue.replay(batch), await here.queue.replay(batch)]).toEqual([true, false]);
      await here.claim();
      await here.expectNothingToClaim();
      expect(await here.queue.stats(here.shard)).toMatchObject({ batches: 1, deadBatches: 0 });
    });

    it('adds nothing when its sender stores it again', async () => {
      const [batch] = (await makeDeadLetters(1)) as [Batch];
      await here.queue.replay(batch);
      await here.store(batch);
      expect(await here.queue.stats(here.shard)).toMatchObject({ batches: 1, accepted: { traces: 1 } });
      await here.claim();
      await here.expectNothingToClaim();
    });
  });

  describe('a dead letter that is purged', () => {
    it('is gone for good and stays counted', async () => {
      const [batch, kept] = (await makeDeadLetters(2)) as [Batch, Batch];
      expect([await here.queue.purge(batch), await here.queue.purge(batch)]).toEqual([true, false]);
      expect(idsOf(await list(10))).toEqual([kept.id]);
      expect(await here.queue.deadLetterBatch(batch)).toBeUndefined();
      expect(await here.queue.replay(batch)).toBe(false);
      await here.reopen();
      await here.expectNothingToClaim();
      expect(await here.queue.stats(here.shard)).toMatchObject({
        batches: 0,
        deadBatches: 1,
        accepted: { traces: 2 },
        deadLettered: { traces: 2 },
      });
    });
  });

  describe('damage', () => {
    it('a damaged batch becomes a dead letter and the lane goes on', async () => {
      const [damaged, intact] = [newBatch(here.shard, { records: 7 }), newBatch(here.shard)];
      await here.store(damaged);
      await here.store(intact);
      await here.reopen(() => here.site.damage(here.shard, damaged.id));
      expect((await here.claim()).batch).toEqual(intact);
      expect(await here.queue.stats(here.shard)).toMatchObject({
        deadBatches: 1,
        deadLettered: { traces: 7 },
      });
      const [letter] = await list(1);
      expect(letter).toMatchObject({ id: damaged.id, records: 7, acceptedAtMs: damaged.acceptedAtMs });
      expect(letter?.reason).toContain('checksum');
      expect(await here.queue.deadLetterBatch(damaged)).toBe(letter?.reason);
    });

    it('a batch whose payload is gone becomes a dead letter and the lane goes on', async () => {
      const [hollow, intact] = [newBatch(here.shard, { records: 7 }), newBatch(here.shard)];
      await here.store(hollow);
      await here.store(intact);
      await here.reopen(() => here.site.removePayload(here.shard, hollow.id));
      expect((await here.claim()).batch).toEqual(intact);
      expect(await here.queue.stats(here.shard)).toMatchObject({
        deadBatches: 1,
        deadLettered: { traces: 7 },
      });
      expect(await here.queue.deadLetterBatch(hollow)).toContain('missing');
    });

    it('of a dead letter is told instead of its bytes; a replay brings it back', async () => {
      const [batch] = (await makeDeadLetters(1)) as [Batch];
      await here.reopen(() => here.site.damage(here.shard, batch.id));
      expect(await here.queue.deadLetterBatch(batch)).toContain('checksum');
      await here.queue.replay(batch);
      await here.expectNothingToClaim();
      expect(await list(10)).toMatchObject([{ id: batch.id, reason: expect.stringContaining('checksum') }]);
      expect(await here.queue.purge(batch)).toBe(true);
      expect(await here.queue.stats(here.shard)).toMatchObject({
        batches: 0,
        deadBatches: 0,
        deadLettered: { traces: 1 },
      });
    });
  });
}
