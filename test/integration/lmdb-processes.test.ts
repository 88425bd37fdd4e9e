import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createLmdbQueue } from '../../src/ingest/queue/lmdb-queue.ts';
import { steadyClock, systemClock } from '../../src/shared/time.ts';
import { newBatch } from '../conformance/new-batch.ts';

const HOUR_MS = 3_600_000;
const PATIENT = { timeout: 30_000, interval: 20 };

describe('the embedded queue in several processes', () => {
  let dir: string;
  let queue: BatchQueue;
  let children: ChildProcess[] = [];

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'otelfan-lmdb-'));
    queue = await createLmdbQueue({
      dir,
      leaseMs: HOUR_MS,
      clock: systemClock,
      steady: steadyClock,
      logger: pino({ level: 'silent' }),
    });
    children = [];
  });

  afterEach(async () => {
    for (const child of children) await kill(child);
    await queue.stop();
    await rm(dir, { recursive: true });
  });

  function start(script: string, ...args: string[]) {
    const { pathname } = new URL(`../conformance/${script}`, import.meta.url);
    const child = spawn(process.execPath, [pathname, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', line => lines.push(line));
    return { child, lines };
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'close');
  }

  it('three enqueue, one delivers, all three are killed: nothing is lost, nothing is handed out twice', async () => {
    const enqueuers = [0, 1, 2].map(() => start('enqueue-until-killed.ts', 'lmdb', dir, 's0'));
    const [first, ...others] = enqueuers;
    const delivered: string[] = [];
    const deliverAll = async () => {
      for (;;) {
        const claimed = await queue.claim('s0', 'oldest');
        if (claimed === undefined) return;
        delivered.push(claimed.batch.id);
        await queue.ack(claimed);
      }
    };
    let isDelivering = true;
    const delivering = (async () => {
      while (isDelivering) {
        await deliverAll();
        await new Promise(resolve => setTimeout(resolve, 5));
      }
    })();
    const stored = () => enqueuers.map(({ lines }) => lines.length);
    await expect.poll(() => Math.min(...stored()), PATIENT).toBeGreaterThan(40);
    if (first !== undefined) await kill(first.child);
    const before = stored();
    const goOn = () =>
      others.map(({ child, lines }, index) => ({
        endedBy: child.signalCode ?? child.exitCode,
        stores: lines.length > (before[index + 1] ?? 0) + 40,
      }));
    const goingOn = { endedBy: null, stores: true };
    await expect.poll(goOn, PATIENT).toEqual([goingOn, goingOn]);
    for (const { child } of others) await kill(child);
    isDelivering = false;
    await delivering;
    await deliverAll();

    expect(new Set(delivered).size).toBe(delivered.length);
    const reported = enqueuers.flatMap(({ lines }) => lines);
    const seen = new Set(delivered);
    expect(reported.filter(id => !seen.has(id))).toEqual([]);
    const { queued, accepted, delivered: counted } = await queue.audit('s0');
    expect([queued.traces, accepted.traces, counted.traces]).toEqual([0, delivered.length, delivered.length]);
  });

  it('what a living process holds nobody else gets; when it is killed its claims are free at once', async () => {
    const batches = Array.from({ length: 3 }, () => newBatch('s0'));
    await queue.enqueue(batches);
    const { child, lines } = start('claim-until-killed.ts', dir, 's0', '3');
    await expect.poll(() => lines.length, PATIENT).toBe(3);
    expect(await queue.claim('s0', 'oldest')).toBeUndefined();
    await kill(child);
    // Its lease would last an hour.
    await expect.poll(() => queue.claim('s0', 'oldest'), { timeout: 5000, interval: 20 }).toBeDefined();
    const rest = [await queue.claim('s0', 'oldest'), await queue.claim('s0', 'oldest')];
    expect(rest.map(claimed => claimed?.batch.id)).toEqual(batches.slice(1).map(batch => batch.id));
  });

  it('claims outlive others who come and go', async () => {
    await queue.enqueue([newBatch('s0')]);
    await queue.claim('s0', 'oldest');
    const passing = await createLmdbQueue({
      dir,
      leaseMs: HOUR_MS,
      clock: systemClock,
      steady: steadyClock,
      logger: pino({ level: 'silent' }),
    });
    expect(await passing.claim('s0', 'oldest')).toBeUndefined();
    await passing.stop();
    expect(await queue.claim('s0', 'oldest')).toBeUndefined();
  });
});
