import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { sizeOf, walOf } from '../../../src/shard/store/data-folder.ts';
import { addFloor, isSnapshotGone, type SnapshotRead } from '../../../src/shard/store/floors.ts';
import { retentionStep } from '../../../src/shard/store/retention.ts';
import type { Blob } from '../../../src/shard/store/tables.ts';
import {
  blobOf,
  commentRecord,
  DAY_MS,
  logRecord,
  openTestStore,
  spanRecord,
  type TestStore,
  wordsOf,
} from '../../support/shard-store.ts';
import { watchedReader } from '../../support/watched-reader.ts';

let store: TestStore;

afterEach(() => store.remove());

async function floor(): Promise<number> {
  return Number((await store.values('SELECT floor_commit FROM store.shard_state'))[0]);
}

async function lastCommit(): Promise<number> {
  return Number((await store.values('SELECT last_commit FROM store.shard_state'))[0]);
}

/** Commits of spans, a thousand each, in one statement. */
async function fill(commits: number, spansEach: number): Promise<void> {
  await store.writer.exclusively(async connection => {
    const last = await lastCommit();
    await connection.run('BEGIN');
    await connection.run(`
      INSERT INTO store.spans
      SELECT i, 1, i, 0, 'shop', 'op', 1000 + i, 1, 'unset', 'internal', '{"n":"' || md5(random()::VARCHAR) || '"}',
        NULL, NULL, NULL, 1, ${last + 1} + i // ${spansEach}, NULL
      FROM range(${commits * spansEach}) t(i)`);
    await connection.run(`
      INSERT INTO store.commits
      SELECT ${last + 1} + i, ${store.nowMs()}, ${spansEach}, 0, 0, 1000 + (i + 1) * ${spansEach} - 1, NULL, NULL
      FROM range(${commits}) t(i)`);
    await connection.run('COMMIT');
    return { result: undefined };
  });
}

describe('retention by age', () => {
  it('deletes whole commits, and everything that belongs to them', async () => {
    store = await openTestStore();
    await store.store({
      spans: [spanRecord(1, 1), spanRecord(2, 1)],
      logs: [logRecord('old')],
      spanWords: [{ word: 'old', traceId: 1n }],
      logWords: wordsOf('old'),
    });
    store.advance(20 * DAY_MS);
    await store.store({ spans: [spanRecord(1, 2)], logs: [logRecord('new')], logWords: wordsOf('new') });
    store.advance(11 * DAY_MS);
    await expect.poll(floor).toBe(1);
    expect(await store.values('SELECT span_id FROM store.spans')).toEqual([2]);
    expect(await store.values('SELECT body FROM store.logs')).toEqual(['new']);
    expect(await store.values('SELECT word FROM store.log_words')).toEqual(['new']);
    expect([await store.count('span_words'), await store.count('trace_commits')]).toEqual([0, 1]);
    expect(await store.values('SELECT commit_no FROM store.commits ORDER BY 1')).toEqual([2, 3]);
  });

  it('goes by the time of storing and not by the times in the records', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1, { startNs: 1n })] });
    await store.store({ spans: [spanRecord(2, 1, { startNs: 2n ** 64n - 1n })] });
    store.advance(29 * DAY_MS);
    await store.store({ spans: [spanRecord(3, 1, { startNs: 1n })] });
    store.advance(DAY_MS);
    await expect.poll(floor).toBe(2);
    expect(await store.values('SELECT trace_id FROM store.spans')).toEqual([3]);
  });

  it('deletes nothing that is young because a clock was wrong once', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1)] });
    store.advance(-60 * DAY_MS);
    await store.store({ spans: [spanRecord(2, 1)] });
    store.advance(60 * DAY_MS);
    await store.store({ spans: [spanRecord(3, 1)] });
    const limits = { maxAgeMs: 30 * DAY_MS, maxBytes: 2 ** 40, evalAgeMs: 0 };
    const step = (afterDays: number) =>
      store.writer.exclusively(async connection => ({
        result: await retentionStep(connection, limits, store.nowMs() + afterDays * DAY_MS),
      }));
    expect(await step(29)).toEqual({ commits: 0, rows: 0 });
    expect(await step(30)).toEqual({ commits: 3, rows: 3 });
  });

  it('deletes many commits in steps, between which batches are stored', async () => {
    store = await openTestStore();
    await fill(3000, 100);
    store.advance(31 * DAY_MS);
    const stored: Promise<void>[] = [];
    await expect
      .poll(async () => {
        stored.push(store.store({ spans: [spanRecord(9, stored.length)] }));
        return floor();
      })
      .toBe(3000);
    await Promise.all(stored);
    expect(await store.count('spans')).toBe(stored.length);
    expect(Number(await store.count('floors'))).toBeGreaterThan(1);
  });

  it('keeps what a reader sees until it has ended', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1)] });
    const reader = await store.database.connect();
    const seen = async () =>
      (await reader.runAndReadAll('SELECT count(*) FROM store.spans')).getRows()[0]?.[0];
    await reader.run('BEGIN TRANSACTION READ ONLY');
    expect(await seen()).toBe(1n);
    store.advance(31 * DAY_MS);
    await expect.poll(floor).toBe(1);
    await store.writer.exclusively(async connection => ({ result: await connection.run('CHECKPOINT') }));
    expect([await seen(), await store.count('spans')]).toEqual([1n, 0]);
    await reader.run('COMMIT');
    expect(await seen()).toBe(0n);
    reader.closeSync();
  });
});

const MOST_BYTES = 12 * 1024 * 1024;

describe('retention by bytes', () => {
  it('deletes the oldest commits until the data fits, and the space is used again', async () => {
    store = await openTestStore({ maxBytes: MOST_BYTES });
    const usedBytes = () => size('used_blocks');
    const fileBytes: number[] = [];
    for (let round = 0; round < 5; round++) {
      await fill(200, 1000);
      store.advance(60_000);
      await expect.poll(usedBytes).toBeLessThan(MOST_BYTES * 1.2);
      fileBytes.push(await size('total_blocks'));
    }
    expect(await floor()).toBeGreaterThan(400);
    expect(await store.count('spans')).toBeGreaterThan(100_000);
    // What retention frees is what the next rounds fill.
    expect(fileBytes.at(-1)).toBeLessThan(3 * MOST_BYTES);
  });

  it('deletes no record for the room that pinned blobs take, which would not give it back', async () => {
    store = await openTestStore();
    const limits = { maxAgeMs: 30 * DAY_MS, maxBytes: 4_000_000, evalAgeMs: 365 * DAY_MS };
    const step = () =>
      store.writer.exclusively(async connection => {
        await connection.run('CHECKPOINT');
        return { result: await retentionStep(connection, limits, store.nowMs()) };
      });
    for (let upload = 0; upload < 4; upload++) {
      await store.store({ blobs: [blobOf(randomBytes(2_000_000), store.nowMs() + 60_000)] });
    }
    await store.store({ logs: [logRecord('fresh')] });
    expect(await step()).toEqual({ commits: 0, rows: 0 });
    store.advance(60_000);
    expect(await step()).toMatchObject({ rows: 1 });
    expect(await store.count('blobs')).toBe(0);
  });
});

async function size(blocks: 'used_blocks' | 'total_blocks'): Promise<number> {
  return (await store.values(`SELECT ${blocks} * block_size FROM pragma_database_size()`))[0] as number;
}

describe('blobs', () => {
  it('D6: an uploaded blob survives until its pin ends, whatever names it', async () => {
    store = await openTestStore();
    await store.store({ blobs: [blobOf('rationale', store.nowMs() + 100 * DAY_MS)] });
    await store.store({ spans: [spanRecord(1, 1)] });
    store.advance(60 * DAY_MS);
    await expect.poll(floor).toBe(2);
    expect(await store.count('blobs')).toBe(1);
    await store.store({ spans: [spanRecord(2, 1)] });
    store.advance(60 * DAY_MS);
    await expect.poll(() => store.count('blobs')).toBe(0);
  });

  it('D6: a blob that a newer commit names again survives the deletion of the older', async () => {
    store = await openTestStore();
    const body = blobOf('x'.repeat(10_000));
    await store.store({ blobs: [body, blobOf('other')], logs: [logRecord('', { bodySha256: body.sha256 })] });
    store.advance(20 * DAY_MS);
    await store.store({ blobs: [body], logs: [logRecord('', { bodySha256: body.sha256 })] });
    store.advance(11 * DAY_MS);
    await expect.poll(floor).toBe(1);
    expect(await store.values('SELECT sha256 FROM store.blobs')).toEqual([body.sha256]);
    store.advance(20 * DAY_MS);
    await expect.poll(() => store.count('blobs')).toBe(0);
  });

  it('keeps the longer of two pins', async () => {
    store = await openTestStore();
    for (const days of [50, 100, 40]) {
      await store.store({ blobs: [blobOf('b', store.nowMs() + days * DAY_MS)] });
    }
    expect(await store.values('SELECT pinned_until_ms FROM store.blobs')).toEqual([
      store.nowMs() + 100 * DAY_MS,
    ]);
  });
});

describe('comments', () => {
  it('outlive their trace until the eval retention ends', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1)], comments: [commentRecord('c1', store.nowMs())] });
    store.advance(31 * DAY_MS);
    await expect.poll(floor).toBe(1);
    expect(await store.count('comments')).toBe(1);
    await store.store({ comments: [commentRecord('c2', store.nowMs())] });
    store.advance(340 * DAY_MS);
    await expect.poll(() => store.values('SELECT id FROM store.comments')).toEqual(['c2']);
  });
});

describe('a snapshot', () => {
  async function isGone(read: SnapshotRead): Promise<boolean> {
    return store.writer.exclusively(async connection => ({ result: await isSnapshotGone(connection, read) }));
  }

  it('is gone once rows are deleted that a read at it may have seen, and no other', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1, { startNs: 500n })] });
    store.advance(20 * DAY_MS);
    await store.store({ spans: [spanRecord(2, 1, { startNs: 900n })], logs: [logRecord('new')] });
    const before = BigInt(await lastCommit());
    expect(await isGone({ table: 'spans', asOf: before })).toBe(false);
    store.advance(11 * DAY_MS);
    await expect.poll(floor).toBe(1);
    expect(await isGone({ table: 'spans', asOf: before })).toBe(true);
    expect(await isGone({ table: 'spans', asOf: before, fromNs: 500n })).toBe(true);
    // The window begins after all that was deleted.
    expect(await isGone({ table: 'spans', asOf: before, fromNs: 501n })).toBe(false);
    expect(await isGone({ table: 'logs', asOf: before })).toBe(false);
    expect(await isGone({ table: 'comments', asOf: before })).toBe(false);
    // The deletion has a commit number: a snapshot taken after it never saw the rows, though nothing was stored since.
    expect(await isGone({ table: 'spans', asOf: BigInt(await lastCommit()) })).toBe(false);
  });

  it('is still known to be gone when many deletions have followed', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1, { startNs: 7n })] });
    const first = BigInt(await lastCommit());
    await store.writer.exclusively(async connection => {
      await connection.run('BEGIN');
      for (let floorNo = 1n; floorNo <= 210n; floorNo++) {
        await addFloor(connection, { floor: floorNo, nowMs: store.nowMs(), commentsBeforeNs: 0n });
      }
      await connection.run('COMMIT');
      return { result: undefined };
    });
    expect(await store.count('floors')).toBe(200);
    expect(await isGone({ table: 'spans', asOf: first, fromNs: 7n })).toBe(true);
    expect(await isGone({ table: 'spans', asOf: first, fromNs: 8n })).toBe(false);
  });
});

describe('resources and scopes', () => {
  it('go when no record names them any more, and are stored again when one does', async () => {
    store = await openTestStore();
    const source = { resource: '{"a":1}', scope: '{}' };
    await store.store({ spans: [spanRecord(1, 1, { source })] });
    store.advance(20 * DAY_MS);
    await store.store({ spans: [spanRecord(2, 1)] });
    store.advance(11 * DAY_MS);
    await expect.poll(floor).toBe(1);
    store.advance(DAY_MS / 12);
    await expect.poll(() => store.count('sources')).toBe(1);
    await store.store({ spans: [spanRecord(3, 1, { source }), spanRecord(3, 2)] });
    expect(
      await store.values(
        'SELECT count(*) FROM store.spans JOIN store.sources ON id = source WHERE resource = \'{"a":1}\'',
      ),
    ).toEqual([1]);
  });
});

/** A commit whose update keeps DuckDB from taking a checkpoint beside a read that began before it. */
async function storeWithUpdate(blob: Blob): Promise<void> {
  const attributes = JSON.stringify({ a: 'x'.repeat(500) });
  await store.store({ spans: [spanRecord(1, 1, { attributes })], blobs: [blob] });
}

it('a resource that took the place of deleted ones is not shown as one of them', async () => {
  store = await openTestStore();
  const { read } = await watchedReader(store);
  const source = (name: string) => ({ resource: JSON.stringify({ attributes: [name] }), scope: '{}' });
  await store.store({ spans: [spanRecord(1, 1)] });
  store.advance(DAY_MS);
  for (const name of ['first', 'second']) {
    await store.store({ spans: [spanRecord(2, 1, { source: source(name) })] });
    expect((await read('spans', { limit: 1 }))[0]).toContain(name);
    store.advance(31 * DAY_MS);
    await store.store({ spans: [spanRecord(1, 1)] });
    await expect
      .poll(() => {
        // Sources are swept once an hour, which may have been just before.
        store.advance(3_600_000);
        return store.count('sources');
      })
      .toBe(1);
  }
});

describe('the write-ahead log', () => {
  const walBytes = () => sizeOf(walOf(store.database.path));

  it('is emptied in a moment without reads long before it has to be forced', async () => {
    store = await openTestStore({ checkpointBytes: 100_000, holdReadsMs: 60_000 });
    const blob = blobOf('named by every commit');
    await storeWithUpdate(blob);
    const early = await store.database.connect();
    await early.run('BEGIN TRANSACTION READ ONLY');
    await early.run('SELECT count(*) FROM store.spans');
    while ((await walBytes()) < 130_000) await storeWithUpdate(blob);
    // Maintenance now holds further reads, and stores go on.
    await sleep(200);
    let isRead = false;
    const later = store.count('spans').finally(() => {
      isRead = true;
    });
    await storeWithUpdate(blob);
    expect(isRead).toBe(false);
    await early.run('COMMIT');
    early.closeSync();
    expect(await later).toBeGreaterThan(0);
    await expect.poll(walBytes).toBeLessThan(20_000);
  });

  it('holds no read up for a long one, and is left as it is for a while', async () => {
    store = await openTestStore({ checkpointBytes: 100_000, holdReadsMs: 300 });
    const blob = blobOf('named by every commit');
    await storeWithUpdate(blob);
    const long = await store.database.connect();
    await long.run('BEGIN TRANSACTION READ ONLY');
    await long.run('SELECT count(*) FROM store.spans');
    while ((await walBytes()) < 130_000) await storeWithUpdate(blob);
    await sleep(200);
    // It waits for what maintenance gives the long one, and no longer.
    await store.count('spans');
    await storeWithUpdate(blob);
    await store.count('spans');
    expect(await walBytes()).toBeGreaterThan(130_000);
    // By now it is known for a long one, and nobody waits for it again.
    store.advance(10_000);
    await sleep(200);
    const read = store.count('spans').then(() => 'read');
    expect(await Promise.race([read, sleep(1500, 'held')])).toBe('read');
    await long.run('COMMIT');
    long.closeSync();
    store.advance(10_000);
    await expect.poll(walBytes).toBeLessThan(20_000);
  });

  it('stays small while reads overlap and commits update', async () => {
    store = await openTestStore({ checkpointBytes: 100_000 });
    let isDone = false;
    const readers = [0, 1].map(async turn => {
      const connection = await store.database.connect();
      await sleep(50 * turn);
      while (!isDone) {
        await connection.run('BEGIN TRANSACTION READ ONLY');
        await connection.run('SELECT count(*) FROM store.spans');
        await sleep(100);
        await connection.run('COMMIT');
      }
      connection.closeSync();
    });
    const blob = blobOf('named by every commit');
    const attributes = JSON.stringify({ a: 'x'.repeat(500) });
    let mostBytes = 0;
    for (let commit = 1; commit <= 100; commit++) {
      const spans = Array.from({ length: 100 }, (_, span) => spanRecord(commit, span + 1, { attributes }));
      await store.store({ spans, blobs: [blob] });
      mostBytes = Math.max(mostBytes, await walBytes());
      // Lets maintenance have its turn.
      await sleep(5);
    }
    isDone = true;
    await Promise.all(readers);
    expect(mostBytes).toBeLessThan(2_000_000);
  });
});
