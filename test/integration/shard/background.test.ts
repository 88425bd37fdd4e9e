import { readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBackground } from '../../../src/shard/store/background.ts';
import { keepInterrupting } from '../../../src/shard/store/interrupt.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'otelfan-background-'));
});
afterEach(() => rm(folder, { recursive: true }));

const path = () => join(folder, 'some.duckdb');

async function withTable(
  threads: number,
  work: (connect: () => Promise<DuckDBConnection>) => Promise<void>,
): Promise<void> {
  const instance = await DuckDBInstance.create(path(), { threads: String(threads) });
  const connections: DuckDBConnection[] = [];
  try {
    await work(async () => {
      const connection = await instance.connect();
      connections.push(connection);
      await connection.run('CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY)');
      return connection;
    });
  } finally {
    for (const connection of connections) connection.closeSync();
    instance.closeSync();
  }
}

async function insert(connection: DuckDBConnection, number: number): Promise<void> {
  await connection.run('BEGIN');
  await connection.run(`INSERT INTO numbers VALUES (${number})`);
}

/** Of so many row groups that every thread has some. */
const MANY = 'CREATE TABLE many AS SELECT range AS number FROM range(500_000)';
const ENDLESS = 'SELECT sum(sin(a.number + b.number)) FROM many a, many b';

async function commit(connection: DuckDBConnection, longestReadMs = () => 0): Promise<void> {
  const background = await openBackground(connection, longestReadMs);
  await background.run(await connection.prepare('COMMIT'));
}

async function count(connection: DuckDBConnection): Promise<unknown> {
  return (await connection.runAndReadAll('SELECT count(*) FROM numbers')).getRows()[0]?.[0];
}

function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap(name => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      return [];
    }
  });
}

describe('a statement in the background', () => {
  it('is run by a thread of DuckDB', () =>
    withTable(2, async connect => {
      const connection = await connect();
      await insert(connection, 1);
      await commit(connection);
      expect(await count(await connect())).toBe(1n);
    }));

  it('is run where DuckDB has no thread of its own', () =>
    withTable(1, async connect => {
      const connection = await connect();
      await insert(connection, 1);
      await commit(connection);
      expect(await count(await connect())).toBe(1n);
    }));

  it.each([
    ['one', 1],
    ['one that has been open for long', 10_000],
  ])('is begun beside a read that holds the threads: %s', (_what, openMs) =>
    withTable(2, async connect => {
      const [reading, connection] = [await connect(), await connect()];
      await reading.run(MANY);
      let isReading = true;
      const read = reading.run(ENDLESS).finally(() => {
        isReading = false;
      });
      await insert(connection, 1);
      await commit(connection, () => openMs);
      expect(isReading).toBe(true);
      expect(await count(await connect())).toBe(1n);
      const stop = keepInterrupting(reading);
      await expect(read).rejects.toThrow('Interrupted');
      stop();
    }),
  );

  it('rejects with what DuckDB says, and lets go of the file', async () => {
    await withTable(2, async connect => {
      const [one, other] = [await connect(), await connect()];
      await insert(one, 1);
      await insert(other, 1);
      await one.run('COMMIT');
      await expect(commit(other)).rejects.toThrow(
        /^TransactionContext Error: Failed to commit.*duplicate key/,
      );
      expect(openFiles()).toContain(path());
    });
    expect(openFiles()).not.toContain(path());
  });
});
