import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createReader, parseCall, type ReadCall } from '../../../src/shard/reads/reader.ts';
import { type Database, openDatabase } from '../../../src/shard/store/database.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';

const ROWS = 400_000;
const hash = await createHash();

let dataDir: string;
let database: Database;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'otelfan-reader-'));
  database = await openDatabase({
    dataDir,
    memoryLimitBytes: 512 * 1024 * 1024,
    threads: 1,
    openTimeoutMs: 1000,
  });
  const connection = await database.connect();
  await connection.run(`INSERT INTO store.spans
    SELECT md5_number(i::VARCHAR), 0, md5_number_lower(i::VARCHAR), 0, 'shop', 'op', i, 1, 'unset', 'internal',
      '{"n":"' || i || '"}', NULL, NULL, NULL, 1, 1, NULL
    FROM range(${ROWS}) t(i)`);
  await connection.run(`INSERT INTO store.sources VALUES (1, '{}', '{}')`);
  await connection.run('UPDATE store.shard_state SET last_commit = 1');
  connection.closeSync();
});
afterAll(async () => {
  await database.stop();
  await rm(dataDir, { recursive: true });
});

function spansCall(request: object): ReadCall {
  const call = parseCall('spans', request);
  if (call.name !== 'spans') throw new Error(call.name);
  return call;
}

describe('a read', () => {
  it('ends soon after its caller has gone', async () => {
    const caller = new AbortController();
    const read = createReader({ database, hash }).read(spansCall({ limit: ROWS }), caller.signal);
    setTimeout(() => caller.abort(), 5);
    await expect(read).rejects.toThrow(/interrupt/i);
  });

  it('of a caller that has gone already does not start', async () => {
    await expect(
      createReader({ database, hash }).read(spansCall({ limit: 1 }), AbortSignal.abort()),
    ).rejects.toThrow();
  });

  it('gives every row once, in order, over more than one chunk', async () => {
    const lines = [
      ...(await createReader({ database, hash }).read(
        spansCall({ limit: 5000 }),
        new AbortController().signal,
      )),
    ];
    expect(lines).toHaveLength(5001);
    expect(lines.slice(0, -1)).toEqual(lines.slice(0, -1).toSorted().toReversed());
    expect(lines.at(-1)).toBe('{"end":{"rows":5000,"asOf":"1","truncated":false}}\n');
  });
});
