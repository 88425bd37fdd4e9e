import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSql } from '../../../src/shard/sql/sql.ts';
import { type Database, openDatabase } from '../../../src/shard/store/database.ts';
import { withConnection } from '../../../src/shard/store/instance.ts';
import { migrate } from '../../../src/shard/store/migrations.ts';
import type { RecordBatch } from '../../../src/shard/store/record-batch.ts';
import { emptyRecords, type SpanRecord } from '../../../src/shard/store/tables.ts';
import { createWriter, type Writer, type WriterOptions } from '../../../src/shard/store/writer.ts';
import { temporaryFolder } from '../../support/systems.ts';

/*
 * A database in memory that has nowhere to put anything else, so that what a table takes is missing elsewhere.
 */
let instance: DuckDBInstance;
let connection: DuckDBConnection;
let writer: Writer;
let asked: number;

beforeEach(async () => {
  instance = await DuckDBInstance.create(':memory:', {
    storage_compatibility_version: 'latest',
    memory_limit: '64MB',
    threads: '1',
    temp_directory: '',
  });
  connection = await instance.connect();
  await migrate(connection, ':memory:');
  asked = 0;
});

afterEach(async () => {
  await writer.stop();
  connection.closeSync();
  instance.closeSync();
});

async function startWriter(
  freeMemory: () => Promise<boolean>,
  database: WriterOptions['database'] = {
    connectAtOnce: () => instance.connect(),
    reopenIfInvalidated: () => Promise.resolve(false),
  },
): Promise<void> {
  writer = await createWriter({
    database,
    clock: { now: () => 1_700_000_000_000 },
    logger: pino({ level: 'silent' }),
    repeatWindowMs: 60_000,
    batchMemoryMs: 60_000,
    freeMemory: () => {
      asked++;
      return freeMemory();
    },
  });
}

/** Much of 64 MiB, until it is interrupted. */
const HOLDS_MEMORY = `
  WITH held AS MATERIALIZED (SELECT md5(i::VARCHAR) AS x FROM range(300000) t(i))
  SELECT count(*) FROM held, range(1000000) a, range(1000000) b WHERE length(x) + a.range + b.range < 0`;

async function heldBytes(database: Database): Promise<number> {
  return withConnection({ connect: database.connectAtOnce }, async connection => {
    const memory = await connection.runAndReadAll('SELECT sum(memory_usage_bytes) FROM duckdb_memory()');
    return Number(memory.getRows()[0]?.[0]);
  }).catch(() => 0);
}

async function takeAllMemory(): Promise<void> {
  await connection.run('CREATE TABLE ballast (x BLOB)');
  for (let chunkBytes = 4 * 1024 * 1024; chunkBytes >= 64 * 1024; ) {
    try {
      await connection.run(
        `INSERT INTO ballast SELECT sha256(i::VARCHAR)::BLOB FROM range(${chunkBytes / 64}) t(i)`,
      );
    } catch {
      chunkBytes /= 2;
    }
  }
}

function batch(): RecordBatch {
  const span: SpanRecord = {
    traceId: 1n,
    slot: 0,
    traceKey: 1n,
    spanId: 1n,
    parentSpanId: 0n,
    service: 'shop',
    operation: 'op',
    startNs: 1n,
    durationNs: 1n,
    status: 'unset',
    kind: 'internal',
    attributes: JSON.stringify({ text: 'x'.repeat(2000) }),
    events: null,
    llm: null,
    otlp: null,
    source: { resource: '{}', scope: '{}' },
    replaces: false,
  };
  const spans = Array.from({ length: 4000 }, (_, index) => ({ ...span, spanId: BigInt(index + 1) }));
  return { id: 'b', slices: [{ exportId: undefined, records: { ...emptyRecords(), spans } }] };
}

async function storedSpans(): Promise<unknown> {
  return (await connection.runAndReadAll('SELECT count(*) FROM store.spans')).getRows()[0]?.[0];
}

describe('a commit that finds no memory', () => {
  it('is tried again when some was freed for it', async () => {
    await startWriter(async () => {
      await connection.run('DROP TABLE ballast');
      return true;
    });
    await takeAllMemory();
    expect(await writer.write(batch())).toMatchObject({ kind: 'stored' });
    expect([asked, await storedSpans()]).toEqual([1, 4000n]);
  });

  it('ends the SQL query that has it, which may not be put on the disk, and is tried again', async () => {
    const folder = await temporaryFolder();
    const memoryLimitBytes = 64 * 1024 * 1024;
    const database = await openDatabase({
      dataDir: folder.path,
      memoryLimitBytes,
      threads: 1,
      openTimeoutMs: 1000,
      maxSpillBytes: 0,
    });
    const sql = createSql({
      database,
      limits: { timeoutMs: 120_000, maxRows: 1, maxAnswerBytes: 1000, memoryLimitBytes },
      instanceBytes: memoryLimitBytes,
      onStuck: reason => {
        throw new Error(reason);
      },
      logger: pino({ level: 'silent' }),
    });
    const query = sql.run(HOLDS_MEMORY, new AbortController().signal);
    await expect.poll(() => heldBytes(database), { timeout: 30_000 }).toBeGreaterThan(memoryLimitBytes / 4);
    await startWriter(sql.giveWay, database);
    while (asked === 0) {
      expect(await writer.write({ ...batch(), id: undefined })).toMatchObject({ kind: 'stored' });
    }
    expect(await query).toEqual({
      kind: 'refused',
      reason: 'the query was ended because storing needed its memory; ask again, for less',
    });
    await writer.stop();
    await database.stop();
    await folder.remove();
  });

  it('fails when there is none to free, and stores nothing', async () => {
    await startWriter(() => Promise.resolve(false));
    await takeAllMemory();
    expect(await writer.write(batch())).toMatchObject({
      kind: 'failed',
      reason: expect.stringMatching(/^Out of Memory Error|could not allocate block/) as string,
    });
    await connection.run('DROP TABLE ballast');
    expect([asked, await storedSpans()]).toEqual([1, 0n]);
  });
});
