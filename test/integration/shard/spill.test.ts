import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../../src/shard/store/database.ts';

const MIB = 1024 * 1024;

let dataDir: string;
let database: Database;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'otelfan-spill-'));
});

afterEach(async () => {
  await database.stop();
  await rm(dataDir, { recursive: true });
});

async function open(maxSpillBytes: number): Promise<void> {
  const size = { memoryLimitBytes: 64 * MIB, threads: 1 };
  database = await openDatabase({ ...size, dataDir, openTimeoutMs: 1000, maxSpillBytes });
}

/** Of 100 bytes a row, in a query that cannot do without them. */
async function sort(rows: number): Promise<void> {
  const connection = await database.connect();
  try {
    await connection.run(`
      SELECT max(x) FROM (SELECT x, row_number() OVER (ORDER BY x)
      FROM (SELECT md5(i::VARCHAR) || repeat('x', 64) AS x FROM range(${rows}) t(i)))`);
  } finally {
    connection.closeSync();
  }
}

describe('what does not fit into the memory of a shard', () => {
  it('goes to the disk', async () => {
    await open(1024 * MIB);
    await expect(sort(1_000_000)).resolves.toBeUndefined();
  });

  it('takes no more of the disk than it may', async () => {
    await open(4 * MIB);
    await expect(sort(1_000_000)).rejects.toThrow('failed to offload data block');
  });
});
