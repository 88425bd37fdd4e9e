import { randomBytes } from 'node:crypto';
import { copyFile, cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compactFolder } from '../../../src/shard/compact-folder.ts';
import { openDatabase } from '../../../src/shard/store/database.ts';
import { type VerifyReport, verifyFolder } from '../../../src/shard/verify-folder.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import {
  blobOf,
  commentRecord,
  logRecord,
  openTestStore,
  spanRecord,
  type TestStore,
} from '../../support/shard-store.ts';
import { mountSmallDisk } from '../../support/small-disk.ts';

const BUDGET = { memoryLimitBytes: 256 * 1024 * 1024, threads: 1 };
const hash = await createHash();
const prompt = blobOf('prompt');
const body = blobOf('x'.repeat(9000));

let store: TestStore;

beforeEach(async () => {
  store = await openTestStore();
  await store.store({
    spans: [spanRecord(1, 1), spanRecord(2, 2, { llm: JSON.stringify({ prompt_sha256: prompt.sha256 }) })],
    logs: [logRecord('', { bodySha256: body.sha256 })],
    blobs: [prompt, body],
    comments: [commentRecord('c', store.nowMs())],
  });
  await store.store({ spans: [spanRecord(1, 3)], logs: [logRecord('plain')] });
  await store.close();
});

afterEach(() => rm(store.dataDir, { recursive: true, force: true }));

function verify(memoryLimitBytes = BUDGET.memoryLimitBytes): Promise<VerifyReport> {
  return verifyFolder({ ...BUDGET, memoryLimitBytes, dataDir: store.dataDir, hash, onProgress: () => {} });
}

function compact(onProgress: (share: number) => void = () => {}) {
  return compactFolder({ ...BUDGET, dataDir: store.dataDir, onProgress });
}

const databasePath = () => join(store.dataDir, 'shard.duckdb');

async function change(...statements: string[]): Promise<void> {
  const instance = await DuckDBInstance.create(databasePath());
  const connection = await instance.connect();
  for (const statement of statements) await connection.run(statement);
  connection.closeSync();
  instance.closeSync();
}

/** The schema, and a hash of every table's rows with their places. */
async function contents(): Promise<unknown> {
  const instance = await DuckDBInstance.create(databasePath());
  const connection = await instance.connect();
  const read = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson();
  const tables = await read(
    "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store' ORDER BY table_name",
  );
  const all = [await read('SELECT sql FROM duckdb_tables() ORDER BY sql')];
  for (const [table] of tables) {
    all.push(
      await read(`SELECT count(*), bit_xor(hash(rowid, stored)) FROM store."${String(table)}" stored`),
    );
  }
  connection.closeSync();
  instance.closeSync();
  return all;
}

async function damagedChecks(): Promise<string[]> {
  const report = await verify();
  if (report.kind === 'not checked') throw new Error(report.reason);
  return report.checks.filter(({ result }) => result === 'damaged').map(({ name }) => name);
}

describe('verify', () => {
  it('finds the data of a shard sound, and changes nothing', async () => {
    const before = await stat(databasePath());
    const report = await verify();
    expect(report).toMatchObject({ kind: 'sound' });
    expect('checks' in report && report.checks.length).toBeGreaterThan(6);
    expect((await stat(databasePath())).mtimeMs).toBe(before.mtimeMs);
  });

  it('finds it sound after retention, too', async () => {
    await store.open();
    store.advance(31 * 86_400_000);
    await expect.poll(() => store.count('spans')).toBe(0);
    await store.close();
    expect(await damagedChecks()).toEqual([]);
  });

  it.each([
    ['a row too few', 'DELETE FROM store.logs WHERE commit_no = 2', 'commits have their rows'],
    [
      'a row too many',
      'INSERT INTO store.spans SELECT * FROM store.spans LIMIT 1',
      'commits have their rows',
    ],
    ['a commit that is missing', 'DELETE FROM store.commits WHERE commit_no = 1', 'commits have their rows'],
    [
      'a trace that is not listed',
      'DELETE FROM store.trace_commits WHERE commit_no = 2',
      'traces are found by their id',
    ],
    [
      'a listed trace that is not there',
      'INSERT INTO store.trace_commits VALUES (5, 2, false)',
      'traces are found by their id',
    ],
    [
      'a blob of another hash',
      `UPDATE store.blobs SET content = 'other'::BLOB`,
      'blobs are what they are called',
    ],
    [
      'a blob that is not found by its key',
      'UPDATE store.blobs SET hash_key = 1',
      'blobs are what they are called',
    ],
    [
      'a blob that is missing',
      `DELETE FROM store.blobs WHERE sha256 = '${prompt.sha256}'`,
      'blobs that rows name are there',
    ],
    [
      'a large body that is missing',
      `DELETE FROM store.blobs WHERE sha256 = '${body.sha256}'`,
      'blobs that rows name are there',
    ],
    ['a resource that is missing', 'DELETE FROM store.sources', 'resources and scopes are there'],
    [
      'counts of services that are not those of their spans',
      `INSERT INTO store.service_totals VALUES (2, 0, 2, 'shop', 3, 0, 3, 1, 1, 1), (2, 0, 2, NULL, 3, 0, 3, 2, 1, 1)`,
      'stored counts of services are right',
    ],
    [
      'counts of all services that are not those of all spans',
      `INSERT INTO store.service_totals VALUES (2, 0, 2, 'shop', 3, 0, 3, 2, 1, 1), (2, 0, 2, NULL, 3, 0, 3, 2, 1, 9)`,
      'stored counts of services are right',
    ],
  ])('tells of %s', async (_what, statement, check) => {
    await change(statement);
    expect(await damagedChecks()).toContain(check);
    expect(await verify()).toMatchObject({ kind: 'damaged' });
  });

  it('finds the counts of services sound that are those of their spans', async () => {
    await change(
      `INSERT INTO store.service_totals VALUES (2, 0, 1, 'shop', 2, 0, 2, 1, 1, 1), (2, 1, 2, 'shop', 1, 0, 1, 1, 1, 1),
         (2, 0, 1, NULL, 2, 0, 2, 1, 1, 1), (2, 1, 2, NULL, 1, 0, 1, 1, 1, 1)`,
    );
    expect(await verify()).toMatchObject({
      kind: 'sound',
      checks: expect.arrayContaining([
        { name: 'stored counts of services are right', result: 'ok', detail: '1 services' },
      ]) as unknown[],
    });
  });

  it('counts spans that are stored more than once, which is no damage', async () => {
    await store.open();
    await store.store({ spans: [spanRecord(1, 1), spanRecord(1, 3)] });
    await store.close();
    const report = await verify();
    expect(report.kind).toBe('sound');
    expect(report).toMatchObject({
      checks: expect.arrayContaining([
        expect.objectContaining({
          result: 'note',
          detail: expect.stringMatching(/^2 more rows than spans/) as string,
        }),
      ]) as unknown[],
    });
  });

  it('tells of bytes that the disk has changed, and makes the other checks still', async () => {
    await store.open();
    const incompressible = randomBytes(200_000);
    await store.store({ blobs: [blobOf(incompressible)] });
    await store.close();
    const bytes = await readFile(databasePath());
    const at = bytes.indexOf(incompressible.subarray(40_000, 40_016));
    expect(at).toBeGreaterThan(0);
    bytes.writeUInt8(255 - bytes.readUInt8(at), at);
    await writeFile(databasePath(), bytes);
    const damaged = await damagedChecks();
    expect(damaged).toEqual(
      expect.arrayContaining(['every block is readable', 'blobs are what they are called']),
    );
    expect(damaged).not.toContain('commits have their rows');
  });

  it('takes too little memory for no damage, and makes the checks that it suffices for', async () => {
    await change(
      `INSERT INTO store.blobs (hash_key, sha256, content, size_bytes, last_commit)
       SELECT i, i::VARCHAR, repeat(md5(random()::VARCHAR), 200000)::BLOB, 6400000, 2 FROM range(4) t(i)`,
      'CHECKPOINT',
    );
    const report = await verify(8 * 1024 * 1024);
    expect(report).toMatchObject({
      kind: 'incomplete',
      checks: expect.arrayContaining([
        {
          name: 'every block is readable',
          result: 'not made',
          detail: expect.stringMatching(/^cannot be checked: .*; raise shard\.memoryLimit$/) as string,
        },
        expect.objectContaining({ name: 'commits have their rows', result: 'ok' }),
      ]) as unknown[],
    });
  });

  it('does not check a file that it has too little memory to open', async () => {
    expect(await verify(100_000)).toEqual({
      kind: 'not checked',
      reason: expect.stringMatching(
        new RegExp(`^cannot open the shard's data in ${databasePath()}: .*; raise shard\\.memoryLimit$`),
      ) as string,
    });
  });

  it.each([
    ['cut', () => truncate(databasePath(), 5000)],
    ['overwritten', () => writeFile(databasePath(), Buffer.alloc(50_000, 7))],
  ])('tells of a file that was %s, in one line that names it', async (_what, damage) => {
    await damage();
    const report = await verify();
    expect(report.kind).toBe('damaged');
    expect('checks' in report && report.checks[0]?.detail).toMatch(
      new RegExp(`^cannot open the shard's data in ${databasePath()}: .*; restore .*$`),
    );
  });

  it('does not check a folder that a shard uses, or one without data', async () => {
    await store.open();
    expect(await verify()).toMatchObject({
      kind: 'not checked',
      reason: expect.stringContaining('in use') as string,
    });
    await store.close();
    await rm(databasePath());
    expect(await verify()).toMatchObject({ kind: 'not checked', reason: `there is no ${databasePath()}` });
  });
});

describe('compact', () => {
  it('keeps every row in its place, and the schema', async () => {
    await change(
      `INSERT INTO store.spans SELECT 7, 1, i, 0, 's', 'o', 300000 - i, 1, 'ok', 'llm', '{}', NULL, NULL, NULL, 1, 2, NULL
       FROM range(300000) t(i) ORDER BY hash(i)`,
    );
    const before = await contents();
    expect(await compact()).toMatchObject({ kind: 'compacted' });
    expect(await contents()).toEqual(before);
  });

  it('gives what was deleted back to the disk', async () => {
    const random = `'{"a":"' || md5(random()::VARCHAR) || '"}'`;
    await change(
      `INSERT INTO store.spans SELECT i, 1, i, 0, 's', 'o', 5, 1, 'ok', 'llm', ${random}, NULL, NULL, NULL, 1, 2 + i // 1000, NULL
       FROM range(500000) t(i)`,
      'CHECKPOINT',
      'DELETE FROM store.spans WHERE commit_no % 2 = 1',
    );
    const shares: number[] = [];
    const outcome = await compact(share => shares.push(share));
    if (outcome.kind === 'refused') throw new Error(outcome.reason);
    expect(outcome.afterBytes).toBeLessThan(0.7 * outcome.beforeBytes);
    expect((await stat(databasePath())).size).toBe(outcome.afterBytes);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect([shares[0], shares.some(share => share > 0.2 && share < 0.9)]).toEqual([0, true]);
    expect(shares.at(-1)).toBeLessThanOrEqual(1);
    expect((await readdir(store.dataDir)).sort()).toEqual(['lock', 'shard.duckdb']);
  });

  it('refuses a folder that a shard uses', async () => {
    await store.open();
    expect(await compact()).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('in use') as string,
    });
    await store.close();
  });

  it('refuses when its disk runs full on the way, and leaves the folder as it was', async context => {
    const disk = await mountSmallDisk(96);
    if (typeof disk === 'string') return context.skip(disk);
    try {
      await change(
        `INSERT INTO store.spans SELECT i, 1, i, 0, 's', 'o', 5, 1, 'ok', 'llm', '{"a":"' || md5(random()::VARCHAR) || '"}',
           NULL, NULL, NULL, 1, 2 + i // 1000, NULL
         FROM range(500000) t(i)`,
        'CHECKPOINT',
      );
      const dataDir = join(disk.path, 'data');
      await cp(store.dataDir, dataDir, { recursive: true });
      const file = () => readFile(join(dataDir, 'shard.duckdb'));
      const before = await file();
      let isFull = false;
      const outcome = await compactFolder({
        ...BUDGET,
        dataDir,
        onProgress(share) {
          if (share === 0 || isFull) return;
          isFull = true;
          disk.fill();
        },
      });
      expect(outcome).toEqual({
        kind: 'refused',
        reason: expect.stringMatching(/No space left on device.*; make room on its disk$/) as string,
      });
      expect((await readdir(dataDir)).sort()).toEqual(['lock', 'shard.duckdb']);
      expect((await file()).equals(before)).toBe(true);
    } finally {
      await disk.remove();
    }
  });

  it('refuses when it has too little memory, and leaves the folder as it was', async () => {
    await change(
      `INSERT INTO store.blobs (hash_key, sha256, content, size_bytes, last_commit)
       SELECT i, i::VARCHAR, repeat(md5(random()::VARCHAR), 200000)::BLOB, 6400000, 2 FROM range(4) t(i)`,
      'CHECKPOINT',
    );
    const before = await readFile(databasePath());
    const outcome = await compactFolder({
      threads: 1,
      memoryLimitBytes: 8 * 1024 * 1024,
      dataDir: store.dataDir,
      onProgress: () => {},
    });
    expect(outcome).toEqual({
      kind: 'refused',
      reason: expect.stringMatching(/; raise shard\.memoryLimit$/) as string,
    });
    expect((await readdir(store.dataDir)).sort()).toEqual(['lock', 'shard.duckdb']);
    expect((await readFile(databasePath())).equals(before)).toBe(true);
  });

  it('refuses what it cannot read whole, and leaves it as it is', async () => {
    await truncate(databasePath(), 5000);
    expect(await compact()).toMatchObject({ kind: 'refused' });
    expect((await stat(databasePath())).size).toBe(5000);
  });
});

describe('a data folder', () => {
  it('loses what a killed compaction left when it is opened again', async () => {
    await writeFile(`${databasePath()}.compacted`, 'half');
    await store.open();
    expect(await store.count('spans')).toBe(3);
    await store.close();
    expect((await readdir(store.dataDir)).sort()).toEqual(['lock', 'shard.duckdb']);
  });

  it('is not opened without its file when there is a WAL, which DuckDB would delete', async () => {
    await copyFile(databasePath(), `${databasePath()}.wal`);
    await rm(databasePath());
    const opened = openDatabase({ ...BUDGET, dataDir: store.dataDir, openTimeoutMs: 0 });
    await expect(opened).rejects.toThrow(`${databasePath()} is missing: restore it`);
    expect(await readdir(store.dataDir)).toContain('shard.duckdb.wal');
  });

  it('is opened once in a process', async () => {
    await store.open();
    const twin = openDatabase({ ...BUDGET, dataDir: store.dataDir, openTimeoutMs: 200 });
    await expect(twin).rejects.toThrow(`the data folder ${store.dataDir} is in use by another process`);
    await store.close();
  });
});
