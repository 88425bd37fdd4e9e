import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createSql, type SqlOutcome } from '../../../src/shard/sql/sql.ts';
import { emptyRecords } from '../../../src/shard/store/tables.ts';
import { createWriter } from '../../../src/shard/store/writer.ts';
import { spanRecord } from '../../support/shard-store.ts';
import { openSqlSite, type SqlSite } from '../../support/sql-site.ts';

let site: SqlSite;
afterEach(() => site.remove());

/** Runs for ever, heeds interrupts and takes little memory. */
const ENDLESS = 'SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range < 0';
/** Each of these runs for ever or wants more than there is, and none is worth more than a message. */
const HOGS = {
  'a recursion without end':
    'WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM a) SELECT count(*) FROM a',
  'a join of everything with everything': ENDLESS,
  'a hash table': 'SELECT count(*) FROM (SELECT i, count(*) FROM range(50000000) t(i) GROUP BY i)',
  'a sort':
    'SELECT max(x) FROM (SELECT x, row_number() OVER (ORDER BY x) FROM (SELECT md5(i::VARCHAR) AS x FROM range(20000000) t(i)))',
  'one long list': 'SELECT len(list(i)) FROM range(1000000000) t(i)',
  'one long text': "SELECT length(string_agg(md5(i::VARCHAR), '')) FROM range(100000000) t(i)",
  'a text that doubles': `WITH a0 AS (SELECT 'xxxxxxxx' AS x), ${Array.from(
    { length: 28 },
    (_, i) => `a${i + 1} AS (SELECT a.x || b.x AS x FROM a${i} a, a${i} b)`,
  ).join(', ')} SELECT length(x) FROM a28`,
  'lists inside an expression': `SELECT len(list_transform(list(i), x -> list_transform(l, y -> y + x)))
    FROM range(3000) t(i), (SELECT list(j) AS l FROM range(10000) t(j)) GROUP BY l`,
};

const never = new AbortController().signal;

function storedText(outcome: SqlOutcome): string {
  return outcome.kind === 'refused' ? outcome.reason : outcome.kind;
}

describe('D23: an SQL query stays within its limits', () => {
  it.each(Object.entries(HOGS))('%s is ended, and the next query runs', async (_, query) => {
    const stuck: string[] = [];
    site = await openSqlSite({ limits: { timeoutMs: 1000 }, onStuck: reason => stuck.push(reason) });
    expect(await site.refusal(query)).toMatch(/shard\.sql\.(?:timeout|memoryLimit)|Out of Memory/);
    expect(await site.rows('SELECT count(*) AS n FROM spans')).toEqual([{ n: 99 }]);
    expect(stuck.filter(reason => reason.includes('ignores'))).toEqual([]);
  });

  it('does not wait for reads that are held until it has ended', async () => {
    site = await openSqlSite();
    const { database } = site;
    let between: Promise<string | undefined> | undefined;
    const sql = createSql({
      database: {
        ...database,
        async connect() {
          const connection = await database.connect();
          between = database.betweenReads(60_000, () => Promise.resolve('done'));
          return connection;
        },
      },
      limits: { timeoutMs: 10_000, maxRows: 10, maxAnswerBytes: 1000, memoryLimitBytes: 64 * 1024 * 1024 },
      instanceBytes: 256 * 1024 * 1024,
      onStuck: () => undefined,
      logger: pino({ level: 'silent' }),
    });
    expect((await sql.run('SELECT 1 AS n', never)).kind).toBe('answer');
    expect(await between).toBe('done');
  });

  it('names the setting whose limit ended a query, and its value', async () => {
    site = await openSqlSite({ limits: { timeoutMs: 200 } });
    expect(await site.refusal(ENDLESS)).toBe('the query ran longer than shard.sql.timeout (200 ms)');
  });

  it('lays nothing to a query that ingest takes beside it', async () => {
    site = await openSqlSite({ limits: { timeoutMs: 60_000, memoryLimitBytes: 32 * 1024 * 1024 } });
    const writer = await createWriter({
      database: site.database,
      clock: { now: () => 1_700_000_000_000 },
      logger: pino({ level: 'silent' }),
      repeatWindowMs: 0,
      batchMemoryMs: 0,
    });
    const caller = new AbortController();
    const outcome = site.sql.run(ENDLESS, caller.signal);
    const attributes = () => JSON.stringify({ a: Math.random().toString(36).repeat(400) });
    const heldBytes = () =>
      writer.exclusively(async connection => {
        const held = await connection.runAndReadAll(
          'SELECT sum(memory_usage_bytes)::DOUBLE FROM duckdb_memory()',
        );
        return { result: held.getRows()[0]?.[0] as number };
      });
    for (let commit = 1; (await heldBytes()) < 80_000_000; commit++) {
      const spans = Array.from({ length: 500 }, (_, span) =>
        spanRecord(commit, span + 1, { attributes: attributes() }),
      );
      const records = { ...emptyRecords(), spans };
      await writer.write({ id: undefined, slices: [{ exportId: undefined, records }] });
    }
    await writer.stop();
    caller.abort();
    // It ran until then.
    expect(await outcome).toEqual({ kind: 'abandoned' });
  });

  it('ends a query whose caller has gone', async () => {
    site = await openSqlSite();
    const caller = new AbortController();
    const outcome = site.sql.run(ENDLESS, caller.signal);
    await sleep(200);
    caller.abort();
    expect(await outcome).toEqual({ kind: 'abandoned' });
  });

  it('runs one query at a time, lets some wait and turns further ones away', async () => {
    site = await openSqlSite({ limits: { timeoutMs: 500 } });
    const first = site.sql.run(ENDLESS, never);
    const waiting = Array.from({ length: 8 }, () => site.sql.run('SELECT 1 AS one', never));
    expect(await site.sql.run('SELECT 1', never)).toMatchObject({ kind: 'busy' });
    expect(storedText(await first)).toContain('shard.sql.timeout');
    for (const outcome of await Promise.all(waiting)) expect(outcome.kind).toBe('answer');
  });

  it('ends the query that runs when its memory is needed, and says that there was one', async () => {
    site = await openSqlSite();
    expect(await site.sql.giveWay()).toBe(false);
    const outcome = site.sql.run(ENDLESS, never);
    await expect.poll(() => site.sql.giveWay()).toBe(true);
    expect(storedText(await outcome)).toContain('storing needed its memory');
  });

  it('tells when a query ignores its interrupts, once, and still gives its outcome', async () => {
    const stuck: string[] = [];
    site = await openSqlSite({
      limits: { timeoutMs: 100 },
      patienceMs: 300,
      onStuck: reason => stuck.push(reason),
    });
    // One call of a function: no interrupt is looked for in it.
    const query = `SELECT levenshtein('${'a'.repeat(25_000)}', '${'b'.repeat(25_000)}')`;
    const outcome = await site.sql.run(query, never);
    expect(outcome.kind).toBe('refused');
    expect(stuck).toEqual(['an SQL query ignores that it was interrupted 300 ms ago']);
  });
});
