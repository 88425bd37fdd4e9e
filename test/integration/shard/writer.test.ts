import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Commit, commitBatches, openStore } from '../../../src/shard/store/commit.ts';
import { type Database, openDatabase } from '../../../src/shard/store/database.ts';
import { keepInterrupting } from '../../../src/shard/store/interrupt.ts';
import { PackedList } from '../../../src/shard/store/packed/list.ts';
import { SPANS } from '../../../src/shard/store/packed/tables.ts';
import type { RecordBatch } from '../../../src/shard/store/record-batch.ts';
import { emptyRecords, type SpanRecord } from '../../../src/shard/store/tables.ts';
import { createWriter, type Writer, type WriterOptions } from '../../../src/shard/store/writer.ts';
import { commentRecord } from '../../support/shard-store.ts';

let dataDir: string;
let database: Database;
let writer: Writer;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'otelfan-writer-'));
  await open();
});

afterEach(async () => {
  await close();
  await rm(dataDir, { recursive: true });
});

async function open({ threads = 1 } = {}): Promise<void> {
  database = await openDatabase({
    dataDir,
    memoryLimitBytes: 256 * 1024 * 1024,
    threads,
    openTimeoutMs: 1000,
  });
  await openWriter(database);
}

async function openWriter(
  over: Database,
  options: Pick<WriterOptions, 'refusal' | 'coming'> = {},
): Promise<void> {
  writer = await createWriter({
    database: over,
    ...options,
    clock: { now: () => 1_700_000_000_000 },
    logger: pino({ level: 'silent' }),
    repeatWindowMs: 60_000,
    batchMemoryMs: 60_000,
  });
}

async function close(): Promise<void> {
  await writer.stop();
  await database.stop();
}

const SPAN: SpanRecord = {
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
  attributes: '{}',
  events: null,
  llm: null,
  otlp: null,
  source: { resource: '{}', scope: '{}' },
  replaces: false,
};

function batchOf(id: string, spans: readonly SpanRecord[]): RecordBatch {
  return { id, slices: [{ exportId: undefined, records: { ...emptyRecords(), spans: [...spans] } }] };
}

/** Its last row is refused: when it is packed, or, when it has no operation, by the table that the rows are flushed to. */
function badBatch(id: string, bad: Partial<SpanRecord> = { startNs: -1n }): RecordBatch {
  return batchOf(id, [...Array.from({ length: 3000 }, () => SPAN), { ...SPAN, ...bad }]);
}

/** Its last row is refused by the chunk that it is put into. */
function badComments(id: string): RecordBatch {
  const comments = Array.from({ length: 3001 }, (_, no) => commentRecord(String(no), no < 3000 ? 1 : -1));
  return { id, slices: [{ exportId: undefined, records: { ...emptyRecords(), comments } }] };
}

async function count(table: string): Promise<number> {
  const connection = await database.connect();
  try {
    return Number((await connection.runAndReadAll(`SELECT count(*) FROM ${table}`)).getRows()[0]?.[0]);
  } finally {
    connection.closeSync();
  }
}

it('a part and the whole that it was cut from are not both stored by one commit, whichever comes first', async () => {
  const part = (id: string, of: string) => ({ ...batchOf(id, [SPAN]), cutFrom: [of] });
  const outcomes = await Promise.all([
    writer.write(batchOf('runs while the others wait', [SPAN])),
    writer.write(part('a.0-0', 'a')),
    writer.write(batchOf('a', [SPAN, SPAN])),
    writer.write(part('a.1-1', 'a')),
    writer.write(batchOf('b', [SPAN, SPAN])),
    writer.write(part('b.0-0', 'b')),
  ]);
  expect(outcomes.map(({ kind }) => kind)).toEqual([
    'stored',
    'stored',
    'partly stored',
    'stored',
    'stored',
    'stored',
  ]);
  expect(await count('store.spans')).toBe(1 + 2 + 2);
});

describe('a commit that fails', () => {
  it.each([
    ['before', 'comments', badComments('bad')],
    ['while', 'spans', badBatch('bad', { operation: undefined as unknown as string })],
  ])(
    'leaves no row in an appender %s it is flushed, to get into the table later',
    async (_when, name, bad) => {
      const connection = await database.connect();
      const appenders: DuckDBAppender[] = [];
      const createAppender = connection.createAppender.bind(connection);
      connection.createAppender = async (...table) => {
        const appender = await createAppender(...table);
        if (table[0] === name) appenders.push(appender);
        return appender;
      };
      const time = { nowMs: 1_700_000_000_000, repeatWindowMs: 0, batchMemoryMs: 60_000 };
      const store = await openStore(connection, { longestReadMs: () => 0 });
      await expect(commitBatches(store, [bad], time)).rejects.toThrow();
      expect(appenders).toHaveLength(1);
      // What the garbage collector does to an appender that nobody closed.
      for (const appender of appenders) appender.flushSync();
      connection.closeSync();
      expect(await count(`store.${name}`)).toBe(0);
    },
  );
});

/** Has the next COMMIT fail as it does when the checkpoint fails that it starts: after or before the rows are durable. */
async function openWriterWithFailingCommit(
  when: 'after' | 'before',
  reopenIfInvalidated: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<void> {
  let isFailing = true;
  const connectAtOnce = async () => {
    const connection = await database.connect();
    const prepare = connection.prepare.bind(connection);
    connection.prepare = async sql => {
      const statement = await prepare(sql);
      const run = statement.run.bind(statement);
      statement.run = async () => {
        if (sql !== 'COMMIT' || !isFailing) return run();
        isFailing = false;
        if (when === 'after') await run();
        throw new Error('FATAL Error: Failed to create checkpoint because of error: No space left on device');
      };
      return statement;
    };
    return connection;
  };
  await writer.stop();
  await openWriter({ ...database, connectAtOnce, reopenIfInvalidated });
}

describe('a COMMIT that fails', () => {
  const anonymous = () => ({ ...batchOf('', [SPAN, SPAN]), id: undefined });

  it('after the rows are durable is answered as stored, and told as any other', async () => {
    await openWriterWithFailingCommit('after');
    const told: Commit[] = [];
    writer.onCommit(commit => told.push(commit));
    expect(await writer.write(anonymous())).toEqual({ kind: 'stored', commitNo: 1n });
    expect(told).toMatchObject([{ commitNo: 1n, spans: 2, traces: { count: 1 } }]);
    expect(writer.position()).toEqual({ commitNo: 1n, floorNo: 0n });
    expect(writer.fatalFailure()).toContain('No space left');
    expect(await writer.write(batchOf('next', [SPAN]))).toEqual({ kind: 'stored', commitNo: 2n });
    expect(await count('store.spans')).toBe(3);
  });

  it('before the rows are durable is answered as failed, and leaves nothing', async () => {
    await openWriterWithFailingCommit('before');
    expect(await writer.write(anonymous())).toEqual({
      kind: 'failed',
      reason: 'FATAL Error: Failed to create checkpoint because of error: No space left on device',
    });
    expect([await count('store.spans'), await count('store.commits')]).toEqual([0, 0]);
    expect(await writer.write(anonymous())).toEqual({ kind: 'stored', commitNo: 1n });
  });

  it.each(['after', 'before'] as const)(
    'and leaves a database that cannot be opened (%s the rows are durable) is answered as unknown, and a batch with an id stored once',
    async when => {
      let isDown = true;
      await openWriterWithFailingCommit(when, () =>
        isDown ? Promise.reject(new Error('cannot open')) : Promise.resolve(true),
      );
      expect(await writer.write(batchOf('b1', [SPAN]))).toMatchObject({ kind: 'unknown' });
      expect(writer.position()).toBeUndefined();
      expect(await writer.write(batchOf('b1', [SPAN]))).toMatchObject({ kind: 'failed' });
      expect(writer.fatalFailure()).toBe('cannot open');
      isDown = false;
      await writer.recover({ withCheckpoint: false });
      expect(await writer.write(batchOf('b1', [SPAN]))).toMatchObject({ kind: 'stored' });
      expect(await count('store.spans')).toBe(1);
    },
  );
});

describe('the writer', () => {
  it('leaves nothing of a batch that fails, then or later', async () => {
    expect(await writer.write(badBatch('bad'))).toMatchObject({ kind: 'failed' });
    expect(await count('store.spans')).toBe(0);
    expect(await count('store.batch_ids')).toBe(0);
    expect(await writer.write(batchOf('good', [SPAN]))).toMatchObject({ kind: 'stored' });
    await close();
    await open();
    expect(await count('store.spans')).toBe(1);
  });

  it('lets a bad batch of a group cost only itself', async () => {
    const outcomes = await Promise.all([
      writer.write(batchOf('first', [SPAN])),
      writer.write(batchOf('good-1', [SPAN])),
      writer.write(badBatch('bad')),
      writer.write(batchOf('good-2', [SPAN, SPAN])),
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'failed', 'stored']);
    expect(await count('store.spans')).toBe(4);
    expect(await count('store.batch_ids')).toBe(3);
  });

  it('does not call the database failed because a batch did', async () => {
    await writer.write(badBatch('bad'));
    expect(writer.fatalFailure()).toBeUndefined();
  });

  it('tries a group once when the database failed, and says so until a commit succeeds', async () => {
    let reopened = 0;
    const reopenIfInvalidated = () => Promise.resolve(++reopened > 0);
    await writer.stop();
    await openWriter({ ...database, reopenIfInvalidated });
    const outcomes = await Promise.all([
      writer.write(batchOf('before', [SPAN])),
      writer.write(badBatch('bad')),
      writer.write(batchOf('good', [SPAN])),
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'failed', 'failed']);
    expect(reopened).toBe(1);
    expect(writer.fatalFailure()).toContain('-1 does not fit into 64 bits');
    expect(await writer.write(batchOf('good', [SPAN]))).toMatchObject({ kind: 'stored' });
    expect(writer.fatalFailure()).toBeUndefined();
  });

  it('shares a transaction between batches that arrive while one runs', async () => {
    await Promise.all(Array.from({ length: 100 }, (_, index) => writer.write(batchOf(`b${index}`, [SPAN]))));
    expect(await count('store.spans')).toBe(100);
    expect(await count('(SELECT DISTINCT commit_no FROM store.spans)')).toBe(2);
  });

  it('waits for what is being decoded, which shares the transaction', async () => {
    const decoded = Promise.withResolvers<void>();
    let isDecoding = true;
    await writer.stop();
    await openWriter(database, { coming: () => (isDecoding ? decoded.promise : undefined) });
    const first = writer.write(batchOf('first', [SPAN]));
    isDecoding = false;
    const second = writer.write(batchOf('second', [SPAN]));
    decoded.resolve();
    expect(await Promise.all([first, second])).toEqual(Array(2).fill({ kind: 'stored', commitNo: 1n }));
  });

  it('shares no transaction between batches whose texts are large, which DuckDB does not count as memory', async () => {
    const spans = PackedList.of(SPANS, [{ ...SPAN, attributes: `"${'x'.repeat(20 * 1024 * 1024)}"` }]);
    const large = (id: string): RecordBatch => ({
      id,
      slices: [{ exportId: undefined, records: { ...emptyRecords(), spans } }],
    });
    const outcomes = await Promise.all(['b1', 'b2', 'b3'].map(id => writer.write(large(id))));
    expect(outcomes).toEqual([1n, 2n, 3n].map(commitNo => ({ kind: 'stored', commitNo })));
  });

  it('runs other work between transactions, and goes on after that work failed', async () => {
    const before = writer.write(batchOf('b1', [SPAN]));
    const between = writer.exclusively(async connection => {
      await connection.run('DELETE FROM store.spans');
      return { result: 'done' };
    });
    const failed = writer.exclusively(connection =>
      connection.run('BEGIN; SELECT nothing').then(() => ({ result: 0 })),
    );
    const after = writer.write(batchOf('b2', [SPAN]));
    expect([(await before).kind, await between]).toEqual(['stored', 'done']);
    await expect(failed).rejects.toThrow('nothing');
    expect((await after).kind).toBe('stored');
    expect(writer.fatalFailure()).toBeUndefined();
    expect(await count('store.spans')).toBeLessThan(2);
  });

  it('stores nothing while there is a reason not to, and tells it to everyone who waits', async () => {
    let reason: string | undefined = 'no room';
    await writer.stop();
    await openWriter(database, { refusal: () => Promise.resolve(reason) });
    const refused = await Promise.all([
      writer.write(batchOf('b1', [SPAN])),
      writer.write(batchOf('b2', [SPAN])),
    ]);
    expect(refused).toEqual(
      refused.map(() => expect.objectContaining({ kind: 'failed', reason: 'no room' }) as unknown),
    );
    reason = undefined;
    expect((await writer.write(batchOf('b1', [SPAN]))).kind).toBe('stored');
    expect(await count('store.spans')).toBe(1);
  });

  it('answers that nothing was stored when it cannot even find out whether there is a reason, and goes on', async () => {
    let isBroken = true;
    await writer.stop();
    await openWriter(database, {
      refusal: () =>
        isBroken ? Promise.reject(new Error('the disk does not answer')) : Promise.resolve(undefined),
    });
    expect(await writer.write(batchOf('b1', [SPAN]))).toEqual({
      kind: 'failed',
      reason: 'the disk does not answer',
    });
    isBroken = false;
    expect((await writer.write(batchOf('b1', [SPAN]))).kind).toBe('stored');
  });

  it('leaves no connection open when it cannot connect again, which would keep the file open', async () => {
    const opened: DuckDBConnection[] = [];
    const closed: DuckDBConnection[] = [];
    let isFailing = false;
    const connectAtOnce = async () => {
      const connection = await database.connect();
      const close = connection.closeSync.bind(connection);
      connection.closeSync = () => {
        closed.push(connection);
        close();
      };
      if (isFailing) connection.runAndReadAll = () => Promise.reject(new Error('no memory'));
      opened.push(connection);
      return connection;
    };
    await writer.stop();
    await openWriter({ ...database, connectAtOnce });
    isFailing = true;
    expect((await writer.write(badBatch('bad'))).kind).toBe('failed');
    expect(opened).toHaveLength(2);
    expect(closed).toEqual(opened);
    isFailing = false;
    await writer.write(batchOf('b1', [SPAN]));
    expect((await writer.write(batchOf('b1', [SPAN]))).kind).toBe('stored');
  });

  it('does not take a repeat, which writes nothing, for a sign that the database takes writes again', async () => {
    let isInvalid = false;
    await writer.stop();
    await openWriter({ ...database, reopenIfInvalidated: () => Promise.resolve(isInvalid) });
    await writer.write(batchOf('known', [SPAN]));
    isInvalid = true;
    await writer.write(badBatch('bad'));
    expect(await writer.write(batchOf('known', [SPAN]))).toEqual({ kind: 'stored', commitNo: undefined });
    expect(writer.fatalFailure()).toContain('does not fit into 64 bits');
    expect(await writer.write(batchOf('new', [SPAN]))).toMatchObject({ kind: 'stored' });
    expect(writer.fatalFailure()).toBeUndefined();
  });

  it('numbers commits on from those that other work made', async () => {
    await writer.write(batchOf('b1', [SPAN]));
    await writer.exclusively(async connection => ({
      result: await connection.run(
        'INSERT INTO store.commits (commit_no, stored_at_ms, spans, logs, metrics) VALUES (7, 0, 0, 0, 0)',
      ),
    }));
    expect(await writer.write(batchOf('b2', [SPAN]))).toEqual({ kind: 'stored', commitNo: 8n });
  });

  it('finishes what it accepted before it stops, and takes no more', async () => {
    const accepted = writer.write(batchOf('b1', [SPAN]));
    const stopped = writer.stop();
    expect(await writer.write(batchOf('b2', [SPAN]))).toMatchObject({ kind: 'failed' });
    await stopped;
    expect(await accepted).toMatchObject({ kind: 'stored' });
    expect(await count('store.spans')).toBe(1);
  });

  it('stores unsigned 64-bit times exactly', async () => {
    const max = 2n ** 64n - 1n;
    const min = -(2n ** 63n);
    await writer.write(batchOf('b1', [{ ...SPAN, startNs: max, durationNs: min }]));
    const connection = await database.connect();
    const [row] = (await connection.runAndReadAll('SELECT start_ns, duration_ns FROM store.spans')).getRows();
    connection.closeSync();
    expect(row).toEqual([max, min]);
  });
});

describe('a commit', () => {
  it('stores beside a read that holds the threads of DuckDB for as long as it likes', async () => {
    await close();
    await open({ threads: 2 });
    const connection = await database.connect();
    // Of so many row groups that every thread has some.
    await connection.run('CREATE TABLE many AS SELECT range AS number FROM range(500_000)');
    let isReading = true;
    const read = connection.run('SELECT sum(sin(a.number + b.number)) FROM many a, many b').finally(() => {
      isReading = false;
    });
    const outcome = writer.write(batchOf('a', [SPAN]));
    expect(await Promise.race([outcome, sleep(20_000)])).toMatchObject({ kind: 'stored' });
    expect(isReading).toBe(true);
    const stop = keepInterrupting(connection);
    await expect(read).rejects.toThrow('Interrupted');
    stop();
    connection.closeSync();
  });
});
