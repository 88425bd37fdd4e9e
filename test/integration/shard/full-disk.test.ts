import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createShard, type Shard } from '../../../src/shard/create-shard.ts';
import { createDiskReserve } from '../../../src/shard/store/disk-reserve.ts';
import { UnusableDataError } from '../../../src/shard/store/unusable-data-error.ts';
import { traceId, tracesOf } from '../../support/otlp-samples.ts';
import { logRecord, openTestStore, spanRecord } from '../../support/shard-store.ts';
import { mountSmallDisk, type SmallDisk } from '../../support/small-disk.ts';
import { deliver, otlpBytes, post, read, startTestShard, testOptions } from '../../support/test-shard.ts';

const MIB = 1024 * 1024;

let disk: SmallDisk | undefined;
let shard: Shard | undefined;

afterEach(async () => {
  await shard?.stop();
  await disk?.remove();
  shard = undefined;
  disk = undefined;
});

/** Spans that no compression makes small. */
function batch(id: string) {
  const attributes = () => [
    {
      key: 'a',
      value: { stringValue: Array.from({ length: 40 }, () => Math.random().toString(36)).join('') },
    },
  ];
  const spans = Array.from({ length: 200 }, (_, span) => ({ trace: id, span, attributes: attributes() }));
  return {
    id,
    signal: 'traces',
    slices: [{ exportId: traceId(id), json: tracesOf('shop', spans) }],
  } as const;
}

async function readiness(readPort: number, path = '/readyz'): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${readPort}${path}`);
  return [response.status, await response.text()];
}

describe('a shard whose disk runs full', () => {
  it('refuses writes before the disk is full, says why, goes on reading, and takes writes when there is room', async context => {
    const mounted = await mountSmallDisk(96);
    if (typeof mounted === 'string') return context.skip(mounted);
    disk = mounted;
    const options = testOptions(join(disk.path, 'data'));
    shard = await createShard({ ...options, minFreeBytes: 24 * MIB, logger: pino({ level: 'silent' }) });
    const otlpUrl = `http://127.0.0.1:${shard.otlpPort}`;
    const readUrl = `http://127.0.0.1:${shard.readPort}`;
    await disk.takeRoom(40 * MIB);

    const stored: string[] = [];
    let refused: Response | undefined;
    while (refused === undefined) {
      const response = await deliver(otlpUrl, batch(`b${stored.length}`));
      if (response.status === 200) stored.push(`b${stored.length}`);
      else refused = response;
    }
    expect(refused.status).toBe(503);
    expect(await refused.text()).toContain('shard.minFreeBytes');
    expect(stored.length).toBeGreaterThan(5);
    await expect
      .poll(() => readiness(shard?.readPort ?? 0))
      .toEqual([503, expect.stringContaining('shard.minFreeBytes')]);
    expect(await readiness(shard.readPort, '/readyz/reads')).toEqual([200, 'ready']);
    const { bavail, bsize } = await statfs(disk.path);
    expect(bavail * bsize).toBeGreaterThan(10 * MIB);

    const counted = async () =>
      ((await read(readUrl, 'services', {})).rows[0] as { span_count: number }).span_count;
    expect(await counted()).toBe(stored.length * 200);
    await disk.freeRoom();
    await expect.poll(() => readiness(shard?.readPort ?? 0)).toEqual([200, 'ready']);
    expect((await deliver(otlpUrl, batch('after'))).status).toBe(200);
    expect(await counted()).toBe((stored.length + 1) * 200);
  });

  it('opens its database again after DuckDB gave it up, and loses nothing', async context => {
    const mounted = await mountSmallDisk(64);
    if (typeof mounted === 'string') return context.skip(mounted);
    disk = mounted;
    const store = await openTestStore({ dataDir: join(disk.path, 'data') });
    try {
      const attributes = () =>
        JSON.stringify({ a: Array.from({ length: 40 }, () => Math.random().toString(36)).join('') });
      for (let commit = 0; commit < 30; commit++) {
        await store.store({
          spans: Array.from({ length: 500 }, (_, span) =>
            spanRecord(commit + 1, span + 1, { attributes: attributes() }),
          ),
        });
      }
      const { bavail, bsize } = await statfs(disk.path);
      await disk.takeRoom(bavail * bsize - MIB / 4);
      const checkpoint = store.writer.exclusively(async connection => ({
        result: await connection.run('CHECKPOINT'),
      }));
      await expect(checkpoint).rejects.toThrow(/No space left/);
      expect(store.writer.fatalFailure()).toMatch(/No space left/);
      expect(await store.count('spans')).toBe(15_000);
      store.advance(1000);
      await expect.poll(() => store.maintenance.refusal() ?? '').toContain('shard.minFreeBytes');
      await expect(store.store({ spans: [spanRecord(99, 1)] })).rejects.toThrow('shard.minFreeBytes');

      await disk.freeRoom();
      store.advance(1000);
      await expect.poll(() => store.writer.fatalFailure()).toBeUndefined();
      await store.store({ spans: [spanRecord(99, 1)] });
      await store.close();
      await store.open();
      expect(await store.count('spans')).toBe(15_001);
    } finally {
      await store.close();
    }
  });

  it('opens its database again only when the last read has let go of it, which would undo later commits', async context => {
    const mounted = await mountSmallDisk(64);
    if (typeof mounted === 'string') return context.skip(mounted);
    disk = mounted;
    const store = await openTestStore({ dataDir: join(disk.path, 'data') });
    try {
      await store.maintenance.stop();
      const body = () => Array.from({ length: 4000 }, () => Math.random().toString(36)).join('');
      for (let commit = 0; commit < 100; commit++) await store.store({ logs: [logRecord(body())] });
      const reading = await store.database.connect();
      const { bavail, bsize } = await statfs(disk.path);
      await disk.takeRoom(bavail * bsize - MIB / 4);
      let isSettled = false;
      const checkpoint = store.writer
        .exclusively(async connection => ({ result: await connection.run('CHECKPOINT') }))
        .catch(String)
        .finally(() => {
          isSettled = true;
        });
      await expect.poll(() => store.count('logs').catch(String)).toContain('being opened again');
      await disk.freeRoom();
      expect(isSettled).toBe(false);
      reading.closeSync();
      expect(await checkpoint).toMatch(/No space left/);
      store.advance(1000);
      await store.store({ logs: [logRecord('after')] });
      await store.close();
      await store.open();
      expect(await store.count('logs')).toBe(101);
    } finally {
      await store.close();
    }
  });

  it('can tell how short the disk is although DuckDB gave the database up', async () => {
    const store = await openTestStore();
    try {
      const { bavail, bsize } = await statfs(store.dataDir);
      const reserve = createDiskReserve({
        database: { path: store.database.path, reusableBytes: () => Promise.reject(new Error('given up')) },
        minFreeBytes: Math.floor(bavail * bsize * 1.5),
        clock: { now: () => 0 },
      });
      expect(await reserve.refusal()).toContain('shard.minFreeBytes');
      expect(await reserve.mayCheckpoint()).toBe(true);
    } finally {
      await store.remove();
    }
  });

  it('answers 503 at its doors and goes on reading, whatever made the disk short', async () => {
    const test = await startTestShard({ minFreeBytes: 2 ** 50, clock: { now: () => Date.now() } });
    try {
      const response = await post(test.otlpUrl, {
        signal: 'traces',
        body: otlpBytes('traces', tracesOf('shop', [{ trace: 1, span: 1 }])),
      });
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, expect.any(String)]);
      expect(await response.text()).toContain(`${2 ** 50} must stay free (shard.minFreeBytes)`);
      expect((await test.read('spans', { limit: 1 })).rows).toEqual([]);
    } finally {
      await test.remove();
    }
  });
});

describe('a data folder that is read-only', () => {
  it('is refused in one line that names it and says what to do', async context => {
    const mounted = await mountSmallDisk(16);
    if (typeof mounted === 'string') return context.skip(mounted);
    disk = mounted;
    const dataDir = join(disk.path, 'data');
    await mkdir(dataDir);
    await disk.makeReadOnly();
    const error = await createShard(testOptions(dataDir)).catch((reason: Error) => reason);
    expect(error).toBeInstanceOf(UnusableDataError);
    expect((error as Error).message).toMatch(
      new RegExp(
        `^the data folder ${dataDir} cannot be written to .*; mend its permissions or its disk, .*$`,
      ),
    );
  });
});
