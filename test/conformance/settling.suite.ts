import { describe, expect, it } from 'vitest';
import { newBatch } from './new-batch.ts';
import type { Here } from './queue-site.ts';

export function describeSettling(here: Here): void {
  describe('a batch that was taken but for parts of it', () => {
    it('each part is a dead letter of its own, the rest is delivered', async () => {
      const batch = newBatch(here.shard, { signal: 'logs', records: 10, topologyVersion: 3 });
      const parts = [
        { batch: newBatch(here.shard, { signal: 'logs', records: 1 }), reason: 'bad id' },
        { batch: newBatch(here.shard, { signal: 'logs', records: 2 }), reason: 'bad time' },
      ];
      await here.queue.ackExcept(await here.storeAndClaim(batch), parts);
      await here.expectNothingToClaim();
      expect(await here.queue.stats(here.shard)).toMatchObject({
        batches: 0,
        sizeBytes: 0,
        deadBatches: 2,
        accepted: { logs: 10 },
        delivered: { logs: 7 },
        deadLettered: { logs: 3 },
      });
      const letters = await here.queue.deadLetters(here.shard, { limit: 10 });
      expect(new Map(letters.map(letter => [letter.id, letter.reason]))).toEqual(
        new Map(parts.map(part => [part.batch.id, part.reason])),
      );
      expect(await here.queue.deadLetterBatch(batch)).toBeUndefined();
      await here.reopen();
      for (const part of parts) expect(await here.queue.deadLetterBatch(part.batch)).toEqual(part.batch);
    });

    it('a part can be replayed, delivered and counted like any batch', async () => {
      const slices = [{ exportId: '1'.repeat(32), sizeBytes: 9, cutFrom: ['0'.repeat(32)] }];
      const part = newBatch(here.shard, { records: 2, cutFrom: ['b', 'b.0-3'], slices });
      const claimed = await here.storeAndClaim(newBatch(here.shard, { records: 5 }));
      await here.queue.ackExcept(claimed, [{ batch: part, reason: 'no' }]);
      expect(await here.queue.replay(part)).toBe(true);
      const replayed = await here.claim();
      expect(replayed.batch).toEqual(part);
      await here.queue.ack(replayed);
      expect(await here.queue.stats(here.shard)).toMatchObject({
        batches: 0,
        sizeBytes: 0,
        deadBatches: 0,
        accepted: { traces: 5 },
        delivered: { traces: 5 },
        deadLettered: { traces: 0 },
      });
    });

    it('parts may hold all of its records, and none is a plain delivery', async () => {
      const all = await here.storeAndClaim(newBatch(here.shard, { records: 2 }));
      await here.queue.ackExcept(all, [
        { batch: newBatch(here.shard), reason: 'no' },
        { batch: newBatch(here.shard), reason: 'no' },
      ]);
      const none = await here.storeAndClaim(newBatch(here.shard, { records: 4 }));
      await here.queue.ackExcept(none, []);
      expect(await here.queue.stats(here.shard)).toMatchObject({
        deadBatches: 2,
        delivered: { traces: 4 },
        deadLettered: { traces: 2 },
      });
    });

    it('counts once, however it is settled again', async () => {
      const claimed = await here.storeAndClaim(newBatch(here.shard, { records: 3 }));
      const parts = [{ batch: newBatch(here.shard), reason: 'no' }];
      await here.queue.ackExcept(claimed, parts);
      const before = await here.queue.stats(here.shard);
      await here.queue.ackExcept(claimed, parts);
      await here.queue.ack(claimed);
      await here.queue.deadLetter(claimed, 'no');
      expect(await here.queue.stats(here.shard)).toEqual(before);
    });
  });

  describe('a batch that is handed to other shards', () => {
    it('is stored there, and counts as rerouted here', async () => {
      const [one, two] = [here.site.newShard(), here.site.newShard()];
      const claimed = await here.storeAndClaim(newBatch(here.shard, { records: 5 }));
      const batches = [newBatch(one, { records: 2 }), newBatch(two, { records: 3 })];
      expect(await here.queue.reroute(claimed, batches)).toEqual({ kind: 'stored' });
      await here.expectNothingToClaim();
      expect(await here.queue.stats(here.shard)).toMatchObject({
        batches: 0,
        sizeBytes: 0,
        oldestAcceptedAtMs: undefined,
        accepted: { traces: 5 },
        rerouted: { traces: 5 },
      });
      await here.reopen();
      for (const batch of batches) {
        expect((await here.queue.claim(batch.shard, 'oldest'))?.batch).toEqual(batch);
        expect(await here.queue.stats(batch.shard)).toMatchObject({
          batches: 1,
          accepted: { traces: batch.records },
        });
      }
    });

    it('counts once, however it is settled again', async () => {
      const other = here.site.newShard();
      const claimed = await here.storeAndClaim(newBatch(here.shard));
      const batches = [newBatch(other)];
      await here.queue.reroute(claimed, batches);
      const before = [await here.queue.stats(here.shard), await here.queue.stats(other)];
      expect(await here.queue.reroute(claimed, batches)).toEqual({ kind: 'stored' });
      await here.queue.ack(claimed);
      await here.queue.deadLetter(claimed, 'no');
      expect([await here.queue.stats(here.shard), await here.queue.stats(other)]).toEqual(before);
    });

    it('may go to shards that have its batches already, as after an attempt that was cut short', async () => {
      const other = here.site.newShard();
      const claimed = await here.storeAndClaim(newBatch(here.shard));
      const batch = newBatch(other);
      await here.store(batch);
      expect(await here.queue.reroute(claimed, [batch])).toEqual({ kind: 'stored' });
      expect(await here.queue.stats(other)).toMatchObject({ batches: 1, accepted: { traces: 1 } });
      expect(await here.queue.stats(here.shard)).toMatchObject({ batches: 0, rerouted: { traces: 1 } });
    });

    it('may stay on its shard under another id', async () => {
      const claimed = await here.storeAndClaim(newBatch(here.shard, { records: 2 }));
      const batch = newBatch(here.shard, { records: 2 });
      expect(await here.queue.reroute(claimed, [batch])).toEqual({ kind: 'stored' });
      expect((await here.claim()).batch).toEqual(batch);
      expect(await here.queue.stats(here.shard)).toMatchObject({
        batches: 1,
        sizeBytes: batch.payload.length,
        accepted: { traces: 4 },
        rerouted: { traces: 2 },
      });
    });
  });
}
