import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchQueue, Claim } from '../../src/ingest/queue/batch-queue.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { claimsOf, openDataFolderQueue } from '../support/queue-samples.ts';
import { temporaryFolder } from '../support/systems.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let queue: BatchQueue;
beforeEach(async () => {
  folder = await temporaryFolder();
  queue = await openDataFolderQueue(folder.path);
});
afterEach(async () => {
  await queue.stop();
  await folder.remove();
});

/** Where lmdb's lock file has the number of the last commit. */
const LAST_COMMIT_AT = 8;

/**
 * What opening an LMDB file does when somebody commits meanwhile: the number of the last commit is set to what it was
 * before. By another process, as whoever closes the lock file loses its locks on it.
 */
async function setLastCommitBack({ by = 1, file = '' } = {}): Promise<void> {
  const script = `
    import { openSync, readSync, writeSync } from 'node:fs';
    const file = openSync(process.argv[1], 'r+');
    const number = new BigUint64Array(1);
    readSync(file, number, 0, 8, ${LAST_COMMIT_AT});
    number[0] -= BigInt(process.argv[2]);
    writeSync(file, number, 0, 8, ${LAST_COMMIT_AT});
  `;
  await run(script, join(folder.path, 'queue', file, 'lock.mdb'), String(by));
}

async function run(script: string, ...args: string[]): Promise<void> {
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, ...args]);
}

const claimAll = () => claimsOf(queue, 's0');
const idsOf = (claims: readonly Claim[]) => new Set(claims.map(({ batch }) => batch.id));

describe('while another process opens the embedded queue', () => {
  it('nothing that was stored is lost', async () => {
    const batches = Array.from({ length: 3 }, () => newBatch('s0'));
    for (const [index, batch] of batches.entries()) {
      await setLastCommitBack({ by: index });
      expect(await queue.enqueue([batch])).toEqual({ kind: 'stored' });
    }
    expect(idsOf(await claimAll())).toEqual(new Set(batches.map(batch => batch.id)));
    const { accepted } = await queue.audit('s0');
    expect(accepted.traces).toBe(3);
  });

  it('everything is seen as soon as it is open', async () => {
    const batch = newBatch('s0');
    await queue.enqueue([batch]);
    await setLastCommitBack();
    expect(await claimAll()).toEqual([]);
    const open = `
      import { openDataFolderQueue } from '${join(import.meta.dirname, '..', 'support', 'queue-samples.ts')}';
      await (await openDataFolderQueue(process.argv[1])).stop();
    `;
    await run(open, folder.path);
    expect(idsOf(await claimAll())).toEqual(new Set([batch.id]));
  });

  it('nothing that was settled comes back', async () => {
    await queue.enqueue(Array.from({ length: 3 }, () => newBatch('s0')));
    const claims = await claimAll();
    for (const claim of claims) {
      await setLastCommitBack();
      await queue.ack(claim);
    }
    await setLastCommitBack();
    await queue.enqueue([newBatch('s0')]);
    const { accepted, delivered, queued } = await queue.audit('s0');
    expect([accepted.traces, delivered.traces, queued.traces]).toEqual([4, 3, 1]);
  });

  it('nothing is handed out twice, and what is released is handed out again', async () => {
    const batches = Array.from({ length: 4 }, () => newBatch('s0'));
    await queue.enqueue(batches);
    const claimed: string[] = [];
    for (let count = 1; count <= 3; count++) {
      const claim = await queue.claim('s0', 'oldest');
      if (claim === undefined) throw new Error('nothing to claim');
      claimed.push(claim.batch.id);
      await setLastCommitBack({ file: 'holds', by: count });
      if (count === 3) await queue.release(claim, 0);
    }
    expect(new Set(claimed).size).toBe(3);
    expect(idsOf(await claimAll())).toEqual(new Set([claimed.at(-1), batches.at(-1)?.id]));
  });
});

it.runIf(process.platform === 'linux')(
  'the maps of the embedded queue are not replaced as its files grow',
  async () => {
    const payload = Buffer.alloc(400_000, 'x');
    for (let count = 1; count <= 10; count++) {
      await queue.enqueue(Array.from({ length: 3 }, () => newBatch('s0', { payload })));
      await claimAll();
    }
    const maps = (await readFile('/proc/self/maps', 'utf8')).split('\n');
    const mapsOf = (...path: string[]) =>
      maps.filter(map => map.endsWith(join(folder.path, 'queue', ...path)));
    expect(mapsOf('data.mdb')).toHaveLength(1);
    expect(mapsOf('holds', 'data.mdb')).toHaveLength(1);
  },
);
