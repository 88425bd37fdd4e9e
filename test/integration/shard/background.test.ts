import { readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runInBackground } from '../../../src/shard/store/background.ts';

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
      await runInBackground(await connection.prepare('COMMIT'), () => false);
      expect(await count(await connect())).toBe(1n);
    }));

  it('is taken over when they all have something else to do', () =>
    withTable(1, async connect => {
      const connection = await connect();
      await insert(connection, 1);
      await runInBackground(await connection.prepare('COMMIT'), () => true);
      expect(await count(await connect())).toBe(1n);
    }));

  it('rejects with what DuckDB says, and lets go of the file', async () => {
    await withTable(2, async connect => {
      const [one, other] = [await connect(), await connect()];
      await insert(one, 1);
      await insert(other, 1);
      await one.run('COMMIT');
      await expect(runInBackground(await other.prepare('COMMIT'), () => false)).rejects.toThrow(
        /^TransactionContext Error: Failed to commit.*duplicate key/,
      );
      expect(openFiles()).toContain(path());
    });
    expect(openFiles()).not.toContain(path());
  });
});
