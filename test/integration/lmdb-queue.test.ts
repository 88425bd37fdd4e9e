import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { open } from 'lmdb';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLmdbQueue } from '../../src/ingest/queue/lmdb-queue.ts';
import { describeBatchQueue } from '../conformance/batch-queue.suite.ts';
import { newBatch } from '../conformance/new-batch.ts';

const logger = pino({ level: 'silent' });

describeBatchQueue('LMDB', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'otelfan-lmdb-'));
  let nowMs = Date.now();
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
    open: () => createLmdbQueue({ dir, leaseMs: 1000, clock: { now: () => nowMs }, logger }),
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

  const options = { leaseMs: 1000, clock: { now: Date.now }, logger };

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

  it('survives a disk that refuses writes: stores nothing of the call, can be emptied and used again', async () => {
    const script = new URL('../conformance/fill-the-disk.ts', import.meta.url).pathname;
    // A limit on the size of files, about 10 or 20 MB as the shell counts, stands in for a full disk.
    const command = `ulimit -f 20000; exec "${process.execPath}" "${script}" "${dir}"`;
    const { stdout } = await promisify(execFile)('sh', ['-c', command]);
    const { first, atFirst, second, atLast } = JSON.parse(stdout);
    expect(first.reason).toBe('the queue could not write to its disk');
    expect(first.stored).toBeGreaterThan(10);
    expect(atFirst).toMatchObject({ batches: first.stored, accepted: { traces: first.stored } });
    expect(second.stored).toBeGreaterThan(10);
    expect(atLast).toMatchObject({
      batches: second.stored,
      accepted: { traces: first.stored + second.stored },
      delivered: { traces: first.stored },
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
