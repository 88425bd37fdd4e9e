import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LaneAudit, LaneStats } from '../../src/ingest/queue/batch-queue.ts';
import { SIGNALS } from '../../src/shared/otlp/signal.ts';
import { applyStep, arbitraryStep, createModel } from './batch-queue-model.ts';
import { newBatch } from './new-batch.ts';
import type { Here } from './queue-site.ts';

const NONE = { traces: 0, logs: 0, metrics: 0 };

const EMPTY: LaneStats = {
  batches: 0,
  sizeBytes: 0,
  oldestAcceptedAtMs: undefined,
  deadBatches: 0,
  accepted: NONE,
  delivered: NONE,
  deadLettered: NONE,
  rerouted: NONE,
};

function expectBalanced(audit: LaneAudit): void {
  for (const signal of SIGNALS) {
    const { queued, delivered, deadLettered, rerouted } = audit;
    expect(queued[signal] + delivered[signal] + deadLettered[signal] + rerouted[signal]).toBe(
      audit.accepted[signal],
    );
  }
}

export function describeAccounts(here: Here): void {
  describe('accounts', () => {
    it('an unknown lane is empty, and asking for it does not make it a shard', async () => {
      expect(await here.queue.stats(here.shard)).toEqual(EMPTY);
      expect(await here.queue.audit(here.shard)).toEqual({
        queued: NONE,
        accepted: NONE,
        delivered: NONE,
        deadLettered: NONE,
        rerouted: NONE,
      });
      await here.expectNothingToClaim();
      expect(await here.queue.shards()).not.toContain(here.shard);
    });

    it('a batch counts until it is settled, and once however often it is settled', async () => {
      const first = newBatch(here.shard, { records: 3, acceptedAtMs: 1000, payload: Buffer.from('abc') });
      const second = newBatch(here.shard, { signal: 'logs', records: 5, acceptedAtMs: 2000 });
      await here.store(first, second);
      const [claimedFirst, claimedSecond] = [await here.claim(), await here.claim()];
      expect(await here.queue.stats(here.shard)).toEqual({
        ...EMPTY,
        batches: 2,
        sizeBytes: 3 + second.payload.length,
        oldestAcceptedAtMs: 1000,
        accepted: { traces: 3, logs: 5, metrics: 0 },
      });
      await here.queue.ack(claimedFirst);
      await here.queue.ack(claimedFirst);
      await here.queue.deadLetter(claimedFirst, 'too late');
      await here.queue.deadLetter(claimedSecond, 'no');
      await here.queue.deadLetter(claimedSecond, 'again');
      await here.queue.ack(claimedSecond);
      const settled: LaneStats = {
        ...EMPTY,
        deadBatches: 1,
        accepted: { traces: 3, logs: 5, metrics: 0 },
        delivered: { traces: 3, logs: 0, metrics: 0 },
        deadLettered: { traces: 0, logs: 5, metrics: 0 },
      };
      expect(await here.queue.stats(here.shard)).toEqual(settled);
      await here.reopen();
      expect(await here.queue.stats(here.shard)).toEqual(settled);
    });

    it('the oldest is the one accepted first, in whatever order they were stored', async () => {
      const [younger, older] = [2000, 1000].map(acceptedAtMs => newBatch(here.shard, { acceptedAtMs }));
      if (younger === undefined || older === undefined) return;
      await here.store(younger);
      await here.store(older);
      expect((await here.queue.stats(here.shard)).oldestAcceptedAtMs).toBe(1000);
    });

    it('a batch without a byte counts like any other', async () => {
      await here.store(
        newBatch(here.shard, { payload: Buffer.alloc(0) }),
        newBatch(here.shard, { payload: Buffer.alloc(0) }),
      );
      await here.queue.ack(await here.claim());
      await here.queue.deadLetter(await here.claim(), 'no');
      const expected = { batches: 0, sizeBytes: 0, delivered: { traces: 1 }, deadLettered: { traces: 1 } };
      expect(await here.queue.stats(here.shard)).toMatchObject(expected);
    });

    it('an audit counts what is there batch by batch', async () => {
      const claimed = await here.storeAndClaim(newBatch(here.shard, { records: 3 }));
      await here.store(
        newBatch(here.shard, { records: 4 }),
        newBatch(here.shard, { signal: 'metrics', records: 5 }),
      );
      expect(await here.queue.audit(here.shard)).toEqual({
        queued: { traces: 7, logs: 0, metrics: 5 },
        accepted: { traces: 7, logs: 0, metrics: 5 },
        delivered: NONE,
        deadLettered: NONE,
        rerouted: NONE,
      });
      await here.queue.ack(claimed);
      expect(await here.queue.audit(here.shard)).toMatchObject({
        queued: { traces: 4, metrics: 5 },
        delivered: { traces: 3 },
      });
    });

    it('an audit is of one moment, whatever is settled meanwhile', async () => {
      await here.store(...Array.from({ length: 60 }, () => newBatch(here.shard)));
      const settling = (async () => {
        for (let index = 0; index < 40; index += 1) await here.queue.ack(await here.claim());
      })();
      const audits = [];
      for (let index = 0; index < 20; index += 1) audits.push(await here.queue.audit(here.shard));
      await settling;
      for (const audit of audits) expectBalanced(audit);
      expect(await here.queue.audit(here.shard)).toMatchObject({
        queued: { traces: 20 },
        delivered: { traces: 40 },
      });
    });

    it('every shard that ever had a batch is known, when its lane is empty as well', async () => {
      const [emptied, target] = [here.site.newShard(), here.site.newShard()];
      await here.store(newBatch(emptied));
      const claimed = await here.queue.claim(emptied, 'oldest');
      if (claimed === undefined) throw new Error('nothing to claim');
      await here.queue.reroute(claimed, [newBatch(target)]);
      await here.store(newBatch(here.shard));
      const expected = [here.shard, emptied, target];
      expect(await here.queue.shards()).toEqual(expect.arrayContaining(expected));
      await here.reopen();
      const shards = await here.queue.shards();
      expect(shards).toEqual(expect.arrayContaining(expected));
      expect(new Set(shards).size).toBe(shards.length);
    });

    it('accepted = queued + delivered + dead-lettered + rerouted, whatever happens', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(arbitraryStep, { minLength: 5, maxLength: 30 }), async steps => {
          const model = createModel(here.site.newShard(), here.site.newShard());
          for (const step of steps) {
            if (step.kind === 'reopen') {
              await here.reopen();
              model.claims.clear();
            } else await applyStep({ queue: here.queue, model, step });
            for (const shard of model.shards) {
              expect(await here.queue.stats(shard)).toEqual(model.stats(shard));
            }
          }
          for (const shard of model.shards) {
            const audit = await here.queue.audit(shard);
            expectBalanced(audit);
            expect(audit).toEqual(model.audit(shard));
            const letters = await here.queue.deadLetters(shard, { limit: 1000 });
            expect(letters.map(letter => letter.id).toSorted()).toEqual(model.deadIds(shard));
          }
        }),
        { numRuns: 15, endOnFailure: true },
      );
    });
  });
}
