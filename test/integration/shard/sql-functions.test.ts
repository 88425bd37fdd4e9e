import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALLOWED_TABLE_FUNCTIONS, loadAllowedFunctions } from '../../../src/shard/sql/functions.ts';
import { SECRET } from '../../support/sql-site.ts';
import { temporaryFolder } from '../../support/systems.ts';

/** A DuckDB that may do everything: what the guard alone keeps out. */
let connection: DuckDBConnection;
let instance: DuckDBInstance;
let allowed: readonly string[];
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  instance = await DuckDBInstance.create(':memory:');
  connection = await instance.connect();
  allowed = [...(await loadAllowedFunctions(connection))].sort();
});

afterAll(async () => {
  connection.closeSync();
  instance.closeSync();
  await folder.remove();
});

describe('D23: the functions that SQL may call', () => {
  it('are these; look at each one that another version of DuckDB adds', async () => {
    await expect(`${allowed.join('\n')}\n`).toMatchFileSnapshot('sql-functions.txt');
  });

  it('read no file and no setting, whatever they are given', async () => {
    const file = join(folder.path, 'secret.csv');
    await writeFile(file, SECRET);
    await connection.run(
      `SET VARIABLE secret = '${SECRET}'; CREATE TABLE secrets AS SELECT '${SECRET}' AS secret`,
    );
    const lists = [`'${file}'`, `'secret'`, `'secrets'`, `'SELECT * FROM secrets'`].flatMap(argument => [
      argument,
      `${argument}, ${argument}`,
      `[${argument}]`,
      `${argument}, 1`,
      `${argument}, ${argument}, ${argument}`,
    ]);
    for (const name of allowed) {
      for (const list of lists) {
        const text = await resultOf(`SELECT "${name}"(${list})`);
        expect(text, `${name}(${list})`).not.toContain(SECRET);
      }
    }
    for (const name of ALLOWED_TABLE_FUNCTIONS) {
      for (const list of lists) expect(await resultOf(`FROM ${name}(${list})`)).not.toContain(SECRET);
    }
  });
});

async function resultOf(sql: string): Promise<string> {
  try {
    return (await connection.runAndReadAll(sql)).getRows().join();
  } catch {
    return '';
  }
}
