import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, open, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { probeLmdb } from '../../src/ingest/queue/lmdb-probe.ts';
import { createLmdbQueue } from '../../src/ingest/queue/lmdb-queue.ts';
import { UnusableQueueError } from '../../src/ingest/queue/queue-folder.ts';
import { steadyClock, systemClock } from '../../src/shared/time.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { expectConserved } from '../support/conservation.ts';

const PAGE_BYTES = 4096;

describe('a queue file', () => {
  let parent: string;
  let dir: string;
  let file: string;

  const openQueue = () =>
    createLmdbQueue({
      dir,
      leaseMs: 1000,
      clock: systemClock,
      steady: steadyClock,
      logger: pino({ level: 'silent' }),
    });

  /** Stores batches of about `sizeBytes`, a hundred per call. */
  async function fill(batches: number, sizeBytes: number): Promise<void> {
    const queue = await openQueue();
    for (let stored = 0; stored < batches; stored += 100) {
      const call = Array.from({ length: 100 }, () =>
        newBatch('s0', { payload: Buffer.alloc(sizeBytes, 'x') }),
      );
      expect(await queue.enqueue(call)).toEqual({ kind: 'stored' });
    }
    await queue.stop();
  }

  async function overwrite(fromPage: number, pages: number, fill: number): Promise<void> {
    const handle = await open(file, 'r+');
    await handle.write(Buffer.alloc(pages * PAGE_BYTES, fill), 0, pages * PAGE_BYTES, fromPage * PAGE_BYTES);
    await handle.close();
  }

  async function expectSetAside(): Promise<void> {
    const error: unknown = await openQueue().catch((reason: unknown) => reason);
    if (!(error instanceof UnusableQueueError)) throw new Error(`not refused but ${error}`);
    expect(error.message).toContain(file);
    const command = /mv .*$/.exec(error.message)?.[0] ?? 'false';
    execFileSync('sh', ['-c', command]);
    expect(existsSync(`${dir}.damaged/data.mdb`)).toBe(true);
    const queue = await openQueue();
    expect(await queue.enqueue([newBatch('s0')])).toEqual({ kind: 'stored' });
    await expectConserved(queue);
    await queue.stop();
  }

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'otelfan-lmdb-'));
    dir = join(parent, "it's a queue");
    file = join(dir, 'data.mdb');
  });

  afterEach(() => rm(parent, { recursive: true }));

  it('that is not there yet needs no look', async () => {
    expect(await probeLmdb(dir)).toBeUndefined();
  });

  it('that is sound is opened, also with ten thousand batches, in a time that people do not notice', async ({
    annotate,
  }) => {
    await fill(10_000, 5000);
    const since = performance.now();
    expect(await probeLmdb(dir)).toBeUndefined();
    const { size } = await stat(file);
    await annotate(`${Math.round(size / 1e6)} MB looked at in ${Math.round(performance.now() - since)} ms`);
    const queue = await openQueue();
    expect((await queue.stats('s0')).batches).toBe(10_000);
    await queue.stop();
  });

  it('whose first pages are zeroes is named with the command that sets it aside', async () => {
    await fill(200, 5000);
    await overwrite(0, 2, 0);
    await expectSetAside();
  });

  it('whose first pages are garbage is named likewise', async () => {
    await fill(200, 5000);
    await overwrite(0, 2, 0xa5);
    await expectSetAside();
  });

  it('that was cut short is named likewise', async () => {
    await fill(200, 5000);
    await truncate(file, Math.floor((await stat(file)).size / 2));
    await expectSetAside();
  });

  it('with garbage in its trees is named likewise', async () => {
    // Small batches, so that hardly anything but the trees is in the file.
    await fill(2000, 10);
    const pages = Math.floor((await stat(file)).size / PAGE_BYTES);
    await overwrite(Math.floor(pages / 4), Math.floor(pages / 2), 0xa5);
    await expectSetAside();
  });

  it('with garbage in a payload is opened, as its checksum tells when it is claimed', async () => {
    await fill(100, 50_000);
    const pages = Math.floor((await stat(file)).size / PAGE_BYTES);
    let queue = await openQueue();
    const before = await queue.stats('s0');
    await queue.stop();
    await overwrite(Math.floor(pages / 2), 1, 0xa5);
    queue = await openQueue();
    expect(await queue.stats('s0')).toEqual(before);
    let claimed = 0;
    while ((await queue.claim('s0', 'oldest')) !== undefined) claimed += 1;
    const { batches, deadBatches } = await queue.stats('s0');
    expect([claimed, batches, deadBatches]).toEqual([99, 99, 1]);
    await expectConserved(queue);
    await queue.stop();
  });
});
