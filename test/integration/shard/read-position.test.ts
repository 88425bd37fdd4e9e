import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { beginSnapshot } from '../../../src/shard/reads/snapshot.ts';
import { retentionStep } from '../../../src/shard/store/retention.ts';
import { DAY_MS, openTestStore, spanRecord, type TestStore } from '../../support/shard-store.ts';
import { parseAnswer } from '../../support/test-shard.ts';
import { type WatchedReader, watchedReader } from '../../support/watched-reader.ts';

const TRACE = '1'.padStart(32, '0');
const NEVER = new AbortController().signal;
const LIMITS = { maxAgeMs: 30 * DAY_MS, maxBytes: 2 ** 40, evalAgeMs: 365 * DAY_MS };

let store: TestStore;
let watched: WatchedReader;
/** Done once, after a read has begun and before its first statement. */
let first: (() => Promise<unknown>) | undefined;
/** Done once, when a read has asked for the first time in some way. */
let after: { readonly way: 'run' | 'prepare'; readonly work: () => Promise<unknown> } | undefined;

/** One old commit and one that is not, of the same trace. */
beforeEach(async () => {
  store = await openTestStore();
  await store.maintenance.stop();
  await store.store({ spans: [spanRecord(1, 1)] });
  store.advance(40 * DAY_MS);
  await store.store({ spans: [spanRecord(1, 2)] });
  const connect = async () => {
    const connection = await store.database.connect();
    const { run, prepare } = connection;
    const done = async <T>(way: 'run' | 'prepare', asking: Promise<T>) => {
      const result = await asking;
      const work = after?.way === way ? after.work : undefined;
      if (work !== undefined) after = undefined;
      await work?.();
      return result;
    };
    connection.run = async (...statement) => {
      await first?.();
      return done('run', run.apply(connection, statement));
    };
    connection.prepare = sql => done('prepare', prepare.call(connection, sql));
    return connection;
  };
  watched = await watchedReader({ database: { ...store.database, connect }, writer: store.writer });
});
afterEach(async () => {
  first = undefined;
  after = undefined;
  await store.remove();
});

/** Deletes the first commit, in a commit of its own, which is the third. */
function retain<T = void>(then?: () => Promise<T>): Promise<T | undefined> {
  return store.writer.exclusively(async connection => {
    await retentionStep(connection, LIMITS, store.nowMs());
    return { result: await then?.() };
  });
}

async function spansAndCommit(): Promise<readonly [spans: number, asOf: string]> {
  const lines = await watched.read('trace', { traceId: TRACE });
  const { rows, trailer } = parseAnswer(lines.join(''));
  return [rows.length, trailer.asOf];
}

describe('the commit that a read is at', () => {
  it('is the last one, without asking for it', async () => {
    await watched.reader.learn(NEVER);
    await spansAndCommit();
    watched.asked.length = 0;
    expect(await spansAndCommit()).toEqual([2, '2']);
    expect(watched.asked).toHaveLength(1);
    expect(watched.asked[0]).not.toContain('store.commits');
  });

  it('has the rows that are shown, when some are deleted before the read gets to them', async () => {
    first = async () => {
      first = undefined;
      await retain();
    };
    expect(await spansAndCommit()).toEqual([1, '3']);
  });

  it('has them while more may be deleted', async () => {
    expect(await retain(spansAndCommit)).toEqual([1, '3']);
  });

  it('follows the writer at once', async () => {
    await watched.reader.learn(NEVER);
    expect(await spansAndCommit()).toEqual([2, '2']);
    await retain();
    expect(await spansAndCommit()).toEqual([1, '3']);
    await store.store({ spans: [spanRecord(1, 3)] });
    watched.asked.length = 0;
    expect(await spansAndCommit()).toEqual([2, '4']);
    expect(watched.asked).toHaveLength(1);
  });

  it('is another when rows are deleted before it is clear that the read sees them', async () => {
    after = { way: 'run', work: retain };
    expect(await spansAndCommit()).toEqual([1, '3']);
  });

  it('is another when the first statement is a prepared one, too', async () => {
    after = { way: 'prepare', work: retain };
    const lines = await watched.read('spanTotals', { service: 'shop', fromNs: '1' });
    expect(watched.asked[0]).toBe('BEGIN TRANSACTION READ ONLY');
    expect(parseAnswer(lines.join('')).trailer.asOf).toBe('3');
  });

  it('is settled, with what is seen, once the first statement was prepared', async () => {
    const connection = await store.database.connect();
    await beginSnapshot(connection, { asOf: undefined, calls: [] }, store.writer.position);
    const prepared = await connection.prepare('SELECT count(*) FROM store.spans WHERE service = $1');
    await retain();
    await store.store({ spans: [spanRecord(1, 3), spanRecord(1, 4)] });
    prepared.bind(['shop']);
    expect((await prepared.runAndReadAll()).getRows()).toEqual([[2n]]);
    prepared.destroySync();
    connection.closeSync();
  });

  it('stays the same over work that deletes nothing, for which no read is read again', async () => {
    await spansAndCommit();
    watched.asked.length = 0;
    after = {
      way: 'run',
      work: () => store.writer.exclusively(() => Promise.resolve({ result: undefined })),
    };
    const lines = await watched.read('spans', { service: 'shop', limit: 10 });
    expect(parseAnswer(lines.join('')).trailer).toMatchObject({ rows: 2, asOf: '2' });
    expect(watched.asked.filter(sql => sql.includes('FILTER'))).toHaveLength(1);
  });

  it('is kept to when it is named, though some of its rows are deleted while it is read', async () => {
    after = { way: 'run', work: retain };
    const lines = await watched.read('trace', { traceId: TRACE, asOf: '2' });
    expect(parseAnswer(lines.join('')).trailer).toMatchObject({ rows: 2, asOf: '2' });
  });
});
