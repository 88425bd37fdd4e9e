import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate, SCHEMA_VERSION, schemaVersion } from '../../../src/shard/store/migrations.ts';
import { UnusableDataError } from '../../../src/shard/store/unusable-data-error.ts';

const STEPS = [
  "CREATE SCHEMA s; CREATE TYPE s.t AS ENUM ('a'); CREATE TABLE s.x (v s.t); INSERT INTO s.x VALUES ('a')",
  "INSERT INTO s.x VALUES ('a')",
];

let dir: string;
let path: string;
let instance: DuckDBInstance;
let connection: DuckDBConnection;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'otelfan-migrations-'));
  path = join(dir, 'shard.duckdb');
  await open();
});

afterEach(async () => {
  close();
  await rm(dir, { recursive: true });
});

async function open(from = path): Promise<void> {
  instance = await DuckDBInstance.create(from);
  connection = await instance.connect();
}

function close(): void {
  connection.closeSync();
  instance.closeSync();
}

async function value(sql: string): Promise<unknown> {
  return (await connection.runAndReadAll(sql)).getRows()[0]?.[0];
}

describe('migrations', () => {
  it('apply each step once, however often a database is opened', async () => {
    await migrate(connection, path, STEPS.slice(0, 1));
    expect(await schemaVersion(connection)).toBe(1);
    for (let time = 0; time < 2; time++) {
      close();
      await open();
      await migrate(connection, path, STEPS);
      expect([await schemaVersion(connection), await value('SELECT count(*) FROM s.x')]).toEqual([2, 2n]);
    }
  });

  it('refuse a database that is newer, naming it and both versions', async () => {
    await migrate(connection, path, STEPS);
    const refused = migrate(connection, path, STEPS.slice(0, 1));
    await expect(refused).rejects.toThrow(UnusableDataError);
    await expect(refused).rejects.toThrow(`${path} has schema version 2; this otelfan knows up to 1`);
  });

  it('leave a step that fails without effect', async () => {
    await migrate(connection, path, STEPS.slice(0, 1));
    await expect(
      migrate(connection, path, [...STEPS.slice(0, 1), 'DROP TABLE s.x; SELECT x']),
    ).rejects.toThrow();
    close();
    await open();
    expect([await schemaVersion(connection), await value('SELECT count(*) FROM s.x')]).toEqual([1, 1n]);
  });

  it('go into the file and never into the WAL, which DuckDB could not replay after a kill', async () => {
    await migrate(connection, path);
    await expect(stat(`${path}.wal`)).rejects.toThrow('ENOENT');
    const asKilled = join(dir, 'killed.duckdb');
    await copyFile(path, asKilled);
    close();
    await open(asKilled);
    expect(await schemaVersion(connection)).toBe(SCHEMA_VERSION);
    expect(await value('SELECT last_commit FROM store.shard_state')).toBe(0n);
  });

  it('leave the threshold for checkpoints as it was', async () => {
    const before = await value("SELECT current_setting('checkpoint_threshold')");
    await migrate(connection, path);
    expect(await value("SELECT current_setting('checkpoint_threshold')")).toBe(before);
  });
});
