import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../../src/shard/store/database.ts';

const MIB = 1024 * 1024;

let dataDir: string;
let database: Database;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'otelfan-memory-'));
  await open(32 * MIB);
});

async function open(memoryLimitBytes: number): Promise<void> {
  database = await openDatabase({
    memoryLimitBytes,
    threads: 1,
    openTimeoutMs: 1000,
    dataDir,
    maxSpillBytes: 0,
  });
}

afterEach(async () => {
  await database.stop();
  await rm(dataDir, { recursive: true });
});

describe('a database with little memory', () => {
  it('takes a checkpoint before what is in the WAL has filled it', async () => {
    await database.stop();
    await open(64 * MIB);
    const connection = await database.connect();
    for (let commit = 1; commit <= 40; commit++) {
      await connection.run(
        `INSERT INTO store.log_words SELECT md5(random()::VARCHAR), ${commit} FROM range(60000)`,
      );
    }
    const count = await connection.runAndReadAll('SELECT count(*) FROM store.log_words');
    connection.closeSync();
    expect(count.getRows()).toEqual([[2_400_000n]]);
  });
});

describe('a database whose memory is used up', () => {
  it('is not opened a second time, which would undo commits when the first is closed', async () => {
    const hog = await database.connect();
    await hog.run('CREATE TEMP TABLE hog (x VARCHAR)');
    for (let rows = 100_000; rows > 0; rows >>= 1) {
      const insert = `INSERT INTO hog SELECT md5(i::VARCHAR) || md5((-i)::VARCHAR) FROM range(${rows}) t(i)`;
      for (let isFull = false; !isFull; ) {
        isFull = await hog.run(insert).then(
          () => false,
          () => true,
        );
      }
    }
    expect(await database.answers()).toBe(false);
    expect(await database.reopenIfInvalidated()).toBe(false);
    hog.closeSync();
    expect(await database.answers()).toBe(true);
  });
});
