import { describe, expect, it } from 'vitest';
import { newBatch } from './new-batch.ts';
import type { Here } from './queue-site.ts';

export function describeLife(here: Here): void {
  describe('life', () => {
    it('tells once per call which shards got batches, and nothing for repeats', async () => {
      const other = here.site.newShard();
      const told: string[] = [];
      here.queue.onEnqueued(enqueuedFor => told.push(enqueuedFor));
      const batch = newBatch(here.shard);
      await here.store(batch, newBatch(here.shard), newBatch(other));
      expect(told.toSorted()).toEqual([here.shard, other].toSorted());
      await here.store(batch);
      expect(told).toHaveLength(2);
    });

    it('tells every listener until it ends that, and of rerouted batches too', async () => {
      const target = here.site.newShard();
      const told: string[] = [];
      here.queue.onEnqueued(shard => told.push(`one ${shard}`));
      here.queue.onEnqueued(shard => told.push(`two ${shard}`));
      const end = here.queue.onEnqueued(shard => told.push(`three ${shard}`));
      end();
      const claimed = await here.storeAndClaim(newBatch(here.shard));
      await here.queue.reroute(claimed, [newBatch(target)]);
      expect(told.toSorted()).toEqual(
        [here.shard, target].flatMap(shard => [`one ${shard}`, `two ${shard}`]).toSorted(),
      );
    });

    it('every call rejects after stop, which may be called twice', async () => {
      const claimed = await here.storeAndClaim(newBatch(here.shard));
      const { queue, shard } = here;
      await queue.stop();
      await queue.stop();
      const key = { shard, id: claimed.batch.id };
      const calls = [
        queue.enqueue([newBatch(shard)]),
        queue.claim(shard, 'oldest'),
        queue.claim(shard, 'newest'),
        queue.ack(claimed),
        queue.ackExcept(claimed, []),
        queue.release(claimed, 0),
        queue.deadLetter(claimed, 'no'),
        queue.reroute(claimed, []),
        queue.deadLetters(shard, { limit: 1 }),
        queue.deadLetterBatch(key),
        queue.replay(key),
        queue.purge(key),
        queue.shards(),
        queue.stats(shard),
        queue.audit(shard),
        queue.unavailableReason(),
      ];
      const results = await Promise.allSettled(calls);
      expect(results.map(result => result.status)).toEqual(calls.map(() => 'rejected'));
    });

    it('stop waits for what is being stored', async () => {
      const { queue, shard } = here;
      const stored = queue.enqueue([newBatch(shard)]);
      await queue.stop();
      const outcome = await stored;
      await here.reopen();
      const { batches } = await here.queue.stats(shard);
      // Stored and said so, or neither: but never answered from memory.
      if (outcome.kind === 'stored') expect(batches).toBe(1);
      if (outcome.kind === 'refused') expect(batches).toBe(0);
    });
  });
}
