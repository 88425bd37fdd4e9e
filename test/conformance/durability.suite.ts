import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/ingest/queue/batch.ts';
import { newBatch } from './new-batch.ts';
import type { Here } from './queue-site.ts';

export function describeDurability(here: Here): void {
  describe('what is durable', () => {
    it('a batch comes out as it went in', async () => {
      const batch = newBatch(here.shard, {
        payload: Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 256)),
        slices: [
          { exportId: '00112233445566778899aabbccddeeff', sizeBytes: 69_999 },
          { exportId: 'ffeeddccbbaa99887766554433221100', sizeBytes: 1 },
        ],
      });
      expect((await here.storeAndClaim(batch)).batch).toEqual(batch);
    });

    it('batches are there after the queue was opened again', async () => {
      const batches = [newBatch(here.shard), newBatch(here.shard, { signal: 'logs' })];
      await here.store(...batches);
      const before = await here.queue.stats(here.shard);
      await here.reopen();
      expect(await here.queue.stats(here.shard)).toEqual(before);
      expect([(await here.claim()).batch, (await here.claim()).batch]).toEqual(batches);
    });

    it('one call stores the batches of several shards', async () => {
      const other = here.site.newShard();
      const [mine, theirs] = [newBatch(here.shard), newBatch(other)];
      await here.store(mine, theirs);
      expect((await here.claim()).batch).toEqual(mine);
      expect((await here.queue.claim(other, 'oldest'))?.batch).toEqual(theirs);
      await here.expectNothingToClaim();
    });

    it('a call without batches stores nothing and says stored', async () => {
      await here.store();
      await here.expectNothingToClaim();
    });

    it('the bytes may change hands once they are stored', async () => {
      const payload = Buffer.from('as it was');
      await here.store(newBatch(here.shard, { payload }));
      payload.fill('x');
      expect((await here.claim()).batch.payload.toString()).toBe('as it was');
    });

    it('everything a process reported as stored survives its kill -9', async () => {
      let reported: string[] = [];
      await here.reopen(async () => {
        const script = new URL('./enqueue-until-killed.ts', import.meta.url).pathname;
        const child = spawn(process.execPath, [script, ...here.site.childArguments, here.shard], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        reported = await readThenKill(child, 40);
      });
      const claimed = await claimAll(here);
      expect(reported.filter(id => !claimed.has(id))).toEqual([]);
      const { batches, accepted } = await here.queue.stats(here.shard);
      expect({ batches, accepted: accepted.traces }).toEqual({
        batches: claimed.size,
        accepted: claimed.size,
      });
    });

    it('says that it can store', async () => {
      expect(await here.queue.unavailableReason()).toBeUndefined();
    });
  });

  describe('enqueuing an id again adds nothing', () => {
    const expectUnchangedBy = async (batch: Batch) => {
      const before = await here.queue.stats(here.shard);
      await here.store(batch);
      expect(await here.queue.stats(here.shard)).toEqual(before);
    };

    it('while the batch waits, whatever else the batch says', async () => {
      const batch = newBatch(here.shard);
      await here.store(batch);
      await expectUnchangedBy(newBatch(here.shard, { id: batch.id, acceptedAtMs: batch.acceptedAtMs + 1 }));
      expect((await here.claim()).batch).toEqual(batch);
      await here.expectNothingToClaim();
    });

    it('in the same call', async () => {
      const batch = newBatch(here.shard);
      await here.store(batch, batch);
      expect((await here.queue.stats(here.shard)).batches).toBe(1);
      await here.claim();
      await here.expectNothingToClaim();
    });

    it('while the batch is claimed', async () => {
      const batch = newBatch(here.shard);
      const claimed = await here.storeAndClaim(batch);
      await expectUnchangedBy(batch);
      await here.expectNothingToClaim();
      await here.queue.ack(claimed);
      await here.expectNothingToClaim();
    });

    it('after the batch was delivered, and after opening again', async () => {
      const batch = newBatch(here.shard);
      await here.queue.ack(await here.storeAndClaim(batch));
      await expectUnchangedBy(batch);
      await here.expectNothingToClaim();
      await here.reopen();
      await expectUnchangedBy(batch);
      await here.expectNothingToClaim();
    });

    it('after the batch was delivered but for a part, for the part as well', async () => {
      const batch = newBatch(here.shard, { records: 2 });
      const part = newBatch(here.shard);
      await here.queue.ackExcept(await here.storeAndClaim(batch), [{ batch: part, reason: 'no' }]);
      await expectUnchangedBy(batch);
      await expectUnchangedBy(part);
      await here.expectNothingToClaim();
    });

    it('after the batch became a dead letter, and after that was purged', async () => {
      const batch = newBatch(here.shard);
      await here.queue.deadLetter(await here.storeAndClaim(batch), 'no');
      await expectUnchangedBy(batch);
      await here.queue.purge(batch);
      await expectUnchangedBy(batch);
      await here.expectNothingToClaim();
    });

    it('after the batch was rerouted', async () => {
      const batch = newBatch(here.shard);
      await here.queue.reroute(await here.storeAndClaim(batch), [newBatch(here.site.newShard())]);
      await expectUnchangedBy(batch);
      await here.expectNothingToClaim();
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

async function claimAll({ queue, shard }: Here): Promise<Set<string>> {
  const ids = new Set<string>();
  const next = () => queue.claim(shard, 'oldest');
  for (let claimed = await next(); claimed !== undefined; claimed = await next()) ids.add(claimed.batch.id);
  return ids;
}
