import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { open } from 'lmdb';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLmdbQueue } from '../../src/ingest/queue/lmdb-queue.ts';
import { steadyClock, systemClock } from '../../src/shared/time.ts';
import { describeBatchQueue } from '../conformance/batch-queue.suite.ts';
import { newBatch } from '../conformance/new-batch.ts';

const logger = pino({ level: 'silent' });

describeBatchQueue('LMDB', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'otelfan-lmdb-'));
  let nowMs = Date.now();
  let offsetMs = 0;
  let shards = 0;

  async function tamper(
    change: (payloads: ReturnType<typeof openPayloads>) => Promise<unknown>,
  ): Promise<void> {
    const root = open({ path: dir, noSubdir: false, maxDbs: 16, overlappingSync: false });
    await change(openPayloads(root));
    await root.close();
  }

  return {
    leaseMs: 1000,
    backlogAgeMs: 60_000,
    open: () =>
      createLmdbQueue({
        dir,
        leaseMs: 1000,
        clock: { now: () => nowMs + offsetMs },
        steady: { now: () => nowMs },
        logger,
      }),
    setTime(ms) {
      offsetMs = ms;
    },
    elapse(ms) {
      nowMs += ms;
      return Promise.resolve();
    },
    damage: (shard, id) =>
      tamper(payloads => {
        const bytes = Buffer.from(payloads.get([shard, id]) as Buffer);
        bytes.writeUInt8((bytes.at(-1) as number) ^ 1, bytes.length - 1);
        return payloads.put([shard, id], bytes);
      }),
    removePayload: (shard, id) => tamper(payloads => payloads.remove([shard, id])),
    childArguments: ['lmdb', dir],
    newShard() {
      shards += 1;
      return `s${shards}`;
    },
    close: () => rm(dir, { recursive: true }),
  };
});

function openPayloads(root: ReturnType<typeof open>) {
  return root.openDB<Buffer, [string, string]>({ name: 'payloads', encoding: 'binary' });
}

describe('the embedded queue', () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'otelfan-lmdb-'));
  });

  afterEach(() => rm(dir, { recursive: true }));

  const options = { leaseMs: 1000, clock: systemClock, steady: steadyClock, logger };

  it('refuses while the disk has less free space than must stay free, and hands out what it has', async () => {
    let queue = await createLmdbQueue({ ...options, dir });
    await queue.enqueue([newBatch('s0')]);
    await queue.stop();
    queue = await createLmdbQueue({ ...options, dir, minFreeBytes: Number.MAX_SAFE_INTEGER });
    const outcome = await queue.enqueue([newBatch('s0')]);
    expect(outcome).toEqual({ kind: 'refused', reason: expect.stringContaining('bytes free') });
    expect(await queue.unavailableReason()).toContain('bytes free');
    const claimed = await queue.claim('s0', 'oldest');
    if (claimed === undefined) throw new Error('nothing to claim');
    await queue.ack(claimed);
    expect(await queue.stats('s0')).toMatchObject({ batches: 0, delivered: { traces: 1 } });
    await queue.stop();
  });

  describe('survives a disk that refuses writes: stores nothing of the call, can be emptied and used again', () => {
    const run = promisify(execFile);
    const script = new URL('../conformance/fill-the-disk.ts', import.meta.url).pathname;

    /** Whatever is rejected without anybody listening would have ended the process. */
    function expectSurvived(stdout: string): void {
      const { first, atFirst, second, atLast } = JSON.parse(stdout);
      for (const { stored, reasons } of [first, second]) {
        expect(stored).toBeGreaterThan(10);
        expect(reasons.length).toBeGreaterThan(0);
        for (const reason of reasons) expect(reason).toMatch(/could not write to its disk|bytes free/);
      }
      expect(atFirst).toMatchObject({
        queued: { traces: first.stored },
        accepted: { traces: first.stored },
      });
      expect(atLast).toMatchObject({
        queued: { traces: second.stored },
        accepted: { traces: first.stored + second.stored },
        delivered: { traces: first.stored },
      });
    }

    it('because files may not grow further', async () => {
      // About 10 or 20 MB, as the shell counts.
      const command = `ulimit -f 20000; exec "${process.execPath}" "${script}" "${dir}"`;
      const { stdout } = await run('sh', ['-c', command]);
      expectSurvived(stdout);
    });

    it('because it is full', async context => {
      const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'otelfan', dir]).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (mounted !== undefined) {
        context.skip(`needs to mount a small file system: ${mounted}`);
        return;
      }
      try {
        const inTheWay = join(dir, 'in-the-way');
        await writeFile(inTheWay, Buffer.alloc(2_000_000));
        const { stdout } = await run(process.execPath, [script, join(dir, 'queue'), inTheWay]);
        expectSurvived(stdout);
      } finally {
        await run('umount', [dir]);
      }
    });
  });

  it('works in a folder whose name looks like a file', async () => {
    const queue = await createLmdbQueue({ ...options, dir: join(dir, 'queue.v1') });
    expect(await queue.enqueue([newBatch('s0')])).toEqual({ kind: 'stored' });
    await queue.stop();
  });

  it('keeps lanes apart whose names start alike', async () => {
    const queue = await createLmdbQueue({ ...options, dir });
    const batches = ['s1', 's10', 's', 's1-b'].map(shard => newBatch(shard));
    await queue.enqueue(batches);
    for (const batch of batches) {
      expect((await queue.claim(batch.shard, 'oldest'))?.batch).toEqual(batch);
      expect(await queue.claim(batch.shard, 'oldest')).toBeUndefined();
    }
    await queue.stop();
  });

  it('audits a long lane at one moment and lets others work meanwhile', async () => {
    const queue = await createLmdbQueue({ ...options, dir });
    const payload = Buffer.from('x');
    await queue.enqueue(Array.from({ length: 3000 }, () => newBatch('s0', { payload })));
    let settled = 0;
    let isAuditing = true;
    const settling = (async () => {
      while (isAuditing) {
        const claimed = await queue.claim('s0', 'newest');
        if (claimed !== undefined) await queue.ack(claimed);
        settled += 1;
      }
    })();
    const audits = [];
    for (let index = 0; index < 5; index += 1) audits.push(await queue.audit('s0'));
    isAuditing = false;
    await settling;
    expect(settled).toBeGreaterThan(0);
    for (const { queued, delivered } of audits) expect(queued.traces + delivered.traces).toBe(3000);
    await queue.stop();
  });

  it('ends audits under way before it stops', async () => {
    const queue = await createLmdbQueue({ ...options, dir });
    const payload = Buffer.from('x');
    await queue.enqueue(Array.from({ length: 3000 }, () => newBatch('s0', { payload })));
    const audit = queue.audit('s0');
    await queue.stop();
    expect((await audit).queued.traces).toBe(3000);
  });

  it('hands out the rest of a long lane while many batches rest', async () => {
    const queue = await createLmdbQueue({ ...options, dir });
    const batches = Array.from({ length: 50 }, () => newBatch('s0'));
    await queue.enqueue(batches);
    for (let index = 0; index < 40; index += 1) {
      const claimed = await queue.claim('s0', 'oldest');
      if (claimed !== undefined) await queue.release(claimed, 60_000);
    }
    expect((await queue.claim('s0', 'oldest'))?.batch.id).toBe(batches[40]?.id);
    await queue.stop();
  });
});
