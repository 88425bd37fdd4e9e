import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import type { BatchQueue, Claim, LaneStats } from '../../src/ingest/queue/batch-queue.ts';
import { applyStep, arbitraryStep, createModel } from './batch-queue-model.ts';
import { newBatch } from './new-batch.ts';

/** One place where batches are stored, and the power over time and disks that the suite needs. */
export interface QueueSite {
  readonly leaseMs: number;
  /** A queue over what the site holds. The one opened before, if any, is stopped by then. */
  open(): Promise<BatchQueue>;
  /** Lets this much of the queue's time pass. */
  elapse(ms: number): Promise<void>;
  /** Changes a byte of a stored payload, behind the queue's back and with the queue stopped. */
  damage(shard: string, id: string): Promise<void>;
  /** Removes a stored payload likewise. */
  removePayload(shard: string, id: string): Promise<void>;
  /** Arguments of `enqueue-until-killed.ts` for this site. */
  readonly childArguments: readonly string[];
  /** A lane name that nobody used before. */
  newShard(): string;
  close(): Promise<void>;
}

/** How many tests a backend has to pass; a test that is not wired does not pass. */
const TESTS = 26;

export function describeBatchQueue(backend: string, createSite: () => Promise<QueueSite>): void {
  describe(`batch queue on ${backend}`, () => {
    let site: QueueSite;
    let queue: BatchQueue;
    let shard: string;
    let ran = 0;

    beforeEach(async () => {
      site = await createSite();
      queue = await site.open();
      shard = site.newShard();
    });

    afterEach(async () => {
      ran += 1;
      await queue.stop();
      await site.close();
    });

    const reopen = async () => {
      await queue.stop();
      queue = await site.open();
    };

    const store = async (...batches: Batch[]) => {
      expect(await queue.enqueue(batches)).toEqual({ kind: 'stored' });
    };

    const claim = async (): Promise<Claim> => {
      const claimed = await queue.claim(shard);
      if (claimed === undefined) throw new Error('nothing to claim');
      return claimed;
    };

    describe('what is durable', () => {
      it('a batch comes out as it went in', async () => {
        const batch = newBatch(shard, {
          payload: Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 256)),
          slices: [
            { exportId: '00112233445566778899aabbccddeeff', sizeBytes: 69_999 },
            { exportId: 'ffeeddccbbaa99887766554433221100', sizeBytes: 1 },
          ],
        });
        await store(batch);
        expect((await claim()).batch).toEqual(batch);
      });

      it('batches are there after the queue was opened again', async () => {
        const batches = [newBatch(shard), newBatch(shard, { signal: 'logs' })];
        await store(...batches);
        const before = await queue.stats(shard);
        await reopen();
        expect(await queue.stats(shard)).toEqual(before);
        expect([(await claim()).batch, (await claim()).batch]).toEqual(batches);
      });

      it('one call stores the batches of several shards', async () => {
        const other = site.newShard();
        const [mine, theirs] = [newBatch(shard), newBatch(other)];
        await store(mine, theirs);
        expect((await claim()).batch).toEqual(mine);
        expect((await queue.claim(other))?.batch).toEqual(theirs);
        expect(await queue.claim(shard)).toBeUndefined();
      });

      it('everything a process reported as stored survives its kill -9', async () => {
        await queue.stop();
        const script = new URL('./enqueue-until-killed.ts', import.meta.url).pathname;
        const child = spawn(process.execPath, [script, ...site.childArguments, shard], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const reported = await readThenKill(child, 40);
        queue = await site.open();
        const claimed = await idsOf(queue, shard);
        expect(reported.filter(id => !claimed.has(id))).toEqual([]);
        const { batches, accepted } = await queue.stats(shard);
        expect({ batches, accepted: accepted.traces }).toEqual({
          batches: claimed.size,
          accepted: claimed.size,
        });
      });

      it('says that it can store', async () => {
        expect(await queue.unavailableReason()).toBeUndefined();
      });
    });

    describe('enqueuing an id again adds nothing', () => {
      const batchOf = (id: string) => newBatch(shard, { id });

      const expectUnchangedBy = async (batch: Batch) => {
        const before = await queue.stats(shard);
        await store(batch);
        expect(await queue.stats(shard)).toEqual(before);
      };

      it('while the batch waits', async () => {
        const batch = newBatch(shard);
        await store(batch);
        await expectUnchangedBy(batchOf(batch.id));
        await claim();
        expect(await queue.claim(shard)).toBeUndefined();
      });

      it('in the same call', async () => {
        const batch = newBatch(shard);
        await store(batch, batch);
        expect((await queue.stats(shard)).batches).toBe(1);
        await claim();
        expect(await queue.claim(shard)).toBeUndefined();
      });

      it('while the batch is claimed', async () => {
        const batch = newBatch(shard);
        await store(batch);
        const claimed = await claim();
        await expectUnchangedBy(batch);
        expect(await queue.claim(shard)).toBeUndefined();
        await queue.ack(claimed);
        expect(await queue.claim(shard)).toBeUndefined();
      });

      it('after the batch was delivered, and after opening again', async () => {
        const batch = newBatch(shard);
        await store(batch);
        await queue.ack(await claim());
        await expectUnchangedBy(batch);
        expect(await queue.claim(shard)).toBeUndefined();
        await reopen();
        await expectUnchangedBy(batch);
        expect(await queue.claim(shard)).toBeUndefined();
      });

      it('after the batch became a dead letter', async () => {
        const batch = newBatch(shard);
        await store(batch);
        await queue.deadLetter(await claim(), 'no');
        await expectUnchangedBy(batch);
        expect(await queue.claim(shard)).toBeUndefined();
      });
    });

    describe('claims', () => {
      it('no batch is handed out twice while its lease lasts', async () => {
        const batches = Array.from({ length: 5 }, () => newBatch(shard));
        await store(...batches);
        const claims = await Promise.all(Array.from({ length: 10 }, () => queue.claim(shard)));
        const ids = claims.flatMap(claimed => (claimed === undefined ? [] : [claimed.batch.id]));
        expect(ids.toSorted()).toEqual(batches.map(batch => batch.id).toSorted());
      });

      it('a batch is handed out again when its lease is over', async () => {
        const batch = newBatch(shard);
        await store(batch);
        await claim();
        await site.elapse(site.leaseMs * 2);
        expect((await claim()).batch).toEqual(batch);
      });

      it('a batch is handed out again when the queue that claimed it is gone', async () => {
        const batch = newBatch(shard);
        await store(batch);
        await claim();
        await reopen();
        await site.elapse(site.leaseMs * 2);
        expect((await claim()).batch).toEqual(batch);
      });

      it('a release by an owner who lost the batch leaves it with the new one', async () => {
        await store(newBatch(shard));
        const lost = await claim();
        await site.elapse(site.leaseMs * 2);
        const taken = await claim();
        await queue.release(lost, 0);
        expect(await queue.claim(shard)).toBeUndefined();
        await queue.ack(taken);
        await queue.ack(lost);
        expect(await queue.stats(shard)).toMatchObject({ batches: 0, delivered: { traces: 1 } });
      });

      it('a late ack of a lost claim counts', async () => {
        await store(newBatch(shard));
        const lost = await claim();
        await site.elapse(site.leaseMs * 2);
        await queue.ack(lost);
        await site.elapse(site.leaseMs * 2);
        expect(await queue.claim(shard)).toBeUndefined();
        expect(await queue.stats(shard)).toMatchObject({ batches: 0, delivered: { traces: 1 } });
      });

      it('a released batch rests for its delay', async () => {
        const batch = newBatch(shard);
        await store(batch);
        await queue.release(await claim(), 200);
        expect(await queue.claim(shard)).toBeUndefined();
        await site.elapse(300);
        expect((await claim()).batch).toEqual(batch);
      });

      it('batches are handed out oldest first', async () => {
        const batches = Array.from({ length: 6 }, () => newBatch(shard));
        for (const batch of batches) await store(batch);
        const claims = [];
        for (const _ of batches) claims.push((await claim()).batch.id);
        expect(claims).toEqual(batches.map(batch => batch.id));
      });

      it('a released batch that is due comes before younger ones', async () => {
        const [older, younger] = [newBatch(shard), newBatch(shard)];
        await store(older);
        await store(younger);
        await queue.release(await claim(), 50);
        expect((await claim()).batch.id).toBe(younger.id);
        const youngest = newBatch(shard);
        await store(youngest);
        await site.elapse(150);
        expect((await claim()).batch.id).toBe(older.id);
        expect((await claim()).batch.id).toBe(youngest.id);
      });
    });

    describe('accounts', () => {
      it('an unknown lane is empty', async () => {
        expect(await queue.stats(shard)).toEqual({
          batches: 0,
          sizeBytes: 0,
          oldestAcceptedAtMs: undefined,
          deadBatches: 0,
          accepted: { traces: 0, logs: 0, metrics: 0 },
          delivered: { traces: 0, logs: 0, metrics: 0 },
          deadLettered: { traces: 0, logs: 0, metrics: 0 },
        });
      });

      it('a batch counts until it is settled, and once however often it is settled', async () => {
        const first = newBatch(shard, { records: 3, acceptedAtMs: 1000, payload: Buffer.from('abc') });
        const second = newBatch(shard, { signal: 'logs', records: 5, acceptedAtMs: 2000 });
        await store(first, second);
        const [claimedFirst, claimedSecond] = [await claim(), await claim()];
        expect(await queue.stats(shard)).toEqual({
          batches: 2,
          sizeBytes: 3 + second.payload.length,
          oldestAcceptedAtMs: 1000,
          deadBatches: 0,
          accepted: { traces: 3, logs: 5, metrics: 0 },
          delivered: { traces: 0, logs: 0, metrics: 0 },
          deadLettered: { traces: 0, logs: 0, metrics: 0 },
        });
        await queue.ack(claimedFirst);
        await queue.ack(claimedFirst);
        await queue.deadLetter(claimedFirst, 'too late');
        await queue.deadLetter(claimedSecond, 'the shard said "no"\nand meant it');
        await queue.deadLetter(claimedSecond, 'again');
        await queue.ack(claimedSecond);
        const settled: LaneStats = {
          batches: 0,
          sizeBytes: 0,
          oldestAcceptedAtMs: undefined,
          deadBatches: 1,
          accepted: { traces: 3, logs: 5, metrics: 0 },
          delivered: { traces: 3, logs: 0, metrics: 0 },
          deadLettered: { traces: 0, logs: 5, metrics: 0 },
        };
        expect(await queue.stats(shard)).toEqual(settled);
        await reopen();
        expect(await queue.stats(shard)).toEqual(settled);
      });

      it('a batch without a byte counts like any other', async () => {
        await store(
          newBatch(shard, { payload: Buffer.alloc(0) }),
          newBatch(shard, { payload: Buffer.alloc(0) }),
        );
        await queue.ack(await claim());
        await queue.deadLetter(await claim(), 'no');
        const expected = { batches: 0, sizeBytes: 0, delivered: { traces: 1 }, deadLettered: { traces: 1 } };
        expect(await queue.stats(shard)).toMatchObject(expected);
      });

      it('a damaged batch becomes a dead letter and the lane goes on', async () => {
        const [damaged, intact] = [newBatch(shard, { records: 7 }), newBatch(shard)];
        await store(damaged);
        await store(intact);
        await queue.stop();
        await site.damage(shard, damaged.id);
        queue = await site.open();
        expect((await claim()).batch).toEqual(intact);
        expect(await queue.stats(shard)).toMatchObject({ deadBatches: 1, deadLettered: { traces: 7 } });
      });

      it('a batch whose payload is gone becomes a dead letter and the lane goes on', async () => {
        const [hollow, intact] = [newBatch(shard, { records: 7 }), newBatch(shard)];
        await store(hollow);
        await store(intact);
        await queue.stop();
        await site.removePayload(shard, hollow.id);
        queue = await site.open();
        expect((await claim()).batch).toEqual(intact);
        expect(await queue.stats(shard)).toMatchObject({ deadBatches: 1, deadLettered: { traces: 7 } });
      });

      it('accepted = queued + delivered + dead-lettered, whatever happens', async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(arbitraryStep, { minLength: 5, maxLength: 30 }), async steps => {
            shard = site.newShard();
            const model = createModel();
            for (const step of steps) {
              if (step.kind === 'reopen') {
                await reopen();
                model.claims.clear();
              } else await applyStep({ queue, shard, model, step });
              expect(await queue.stats(shard)).toEqual(model.stats());
            }
          }),
          { numRuns: 15, endOnFailure: true },
        );
      });
    });

    describe('life', () => {
      it('tells once per call which shards got batches, and nothing for repeats', async () => {
        const other = site.newShard();
        const told: string[] = [];
        queue.onEnqueued(enqueuedFor => told.push(enqueuedFor));
        const batch = newBatch(shard);
        await store(batch, newBatch(shard), newBatch(other));
        expect(told.toSorted()).toEqual([shard, other].toSorted());
        await store(batch);
        expect(told).toHaveLength(2);
      });

      it('every call rejects after stop, which may be called twice', async () => {
        await store(newBatch(shard));
        const claimed = await claim();
        await queue.stop();
        await queue.stop();
        const calls = [
          queue.enqueue([newBatch(shard)]),
          queue.claim(shard),
          queue.ack(claimed),
          queue.release(claimed, 0),
          queue.deadLetter(claimed, 'no'),
          queue.stats(shard),
          queue.unavailableReason(),
        ];
        const results = await Promise.allSettled(calls);
        expect(results.map(result => result.status)).toEqual(calls.map(() => 'rejected'));
      });

      it('ran every test of this suite', () => {
        expect(ran).toBe(TESTS);
      });
    });
  });
}

/** The first lines of the child's output, and any others it managed to write before it was killed. */
async function readThenKill(child: ChildProcess, lines: number): Promise<string[]> {
  if (child.stdout === null) throw new Error('the child has no output');
  const ids: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', line => {
    ids.push(line);
    if (ids.length === lines) child.kill('SIGKILL');
  });
  await once(child, 'close');
  expect(child.signalCode).toBe('SIGKILL');
  return ids;
}

async function idsOf(queue: BatchQueue, shard: string): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let claimed = await queue.claim(shard); claimed !== undefined; claimed = await queue.claim(shard)) {
    ids.add(claimed.batch.id);
  }
  return ids;
}
