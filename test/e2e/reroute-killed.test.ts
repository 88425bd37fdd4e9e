import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createBullmqQueue } from '../../src/ingest/queue/bullmq-queue.ts';
import { BIN, runCli } from '../support/cli.ts';
import { openDataFolderQueue, takeAll, traceBatch, traceIdsOf } from '../support/queue-samples.ts';
import { startRedis, type TestRedis, uniqueName } from '../support/redis.ts';
import { temporaryFolder } from '../support/systems.ts';

interface Site {
  open(dataDir: string): Promise<BatchQueue>;
  /** Settings with which the command finds the same queue. */
  settings(): object;
}

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis?.stop());

const SITES: Readonly<Record<string, Site>> = {
  LMDB: { open: openDataFolderQueue, settings: () => ({}) },
  Redis: {
    open: () =>
      createBullmqQueue({
        url: redis.url,
        shards: [],
        leaseMs: 2000,
        clock: { now: Date.now },
        logger: pino({ level: 'silent' }),
      }),
    settings: () => ({ redis: { url: redis.url } }),
  },
};

const BATCHES = 400;

describe.each(Object.entries(SITES))('re-routing a shard, killed in the middle, on %s', (_name, site) => {
  it('goes on where it was: every record arrives exactly once, and the accounts agree', async () => {
    const folder = await temporaryFolder();
    const queue = await site.open(folder.path);
    const [s0, s1, gone] = ['s0', 's1', 'gone'].map(uniqueName) as [string, string, string];
    const config = join(folder.path, 'otelfan.yaml');
    const shards = [s0, s1].map(id => ({ id, otlp: `http://${id}:1`, read: `http://${id}:2` }));
    // Short leases, so that what the killed process held is free again soon.
    const settings = { delivery: { timeout: '100ms' }, queue: site.settings() };
    writeFileSync(
      config,
      JSON.stringify({ dataDir: folder.path, ...settings, topology: { version: 2, shards } }),
    );
    const sent = Array.from({ length: BATCHES }, (_, batch) =>
      traceBatch({ shard: gone, slices: [Array.from({ length: 5 }, (_, span) => `${batch}-${span}`)] }),
    );
    await queue.enqueue(sent);

    const child = spawn(process.execPath, [BIN, 'topology', 'reroute', gone, '--config', config], {
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    const left = async () => (await queue.stats(gone)).batches;
    await expect.poll(left, { timeout: 30_000, interval: 5 }).toBeLessThan(BATCHES - 10);
    child.kill('SIGKILL');
    await ended;
    expect(await left()).toBeGreaterThan(0);

    const again = await runCli(['topology', 'reroute', gone, '--config', config]);
    expect(again).toMatchObject({ exitCode: 0 });
    const audits = await Promise.all([gone, s0, s1].map(shard => queue.audit(shard)));
    for (const { accepted, queued, rerouted } of audits) {
      expect(accepted.traces).toBe(queued.traces + rerouted.traces);
    }
    const moved = (await Promise.all([s0, s1].map(shard => takeAll(queue, shard)))).flat();
    expect(moved.flatMap(traceIdsOf).sort()).toEqual(sent.flatMap(traceIdsOf).sort());
    await queue.stop();
    await folder.remove();
  });
});
