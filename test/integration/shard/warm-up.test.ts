import { afterEach, describe, expect, it } from 'vitest';
import { createShard } from '../../../src/shard/create-shard.ts';
import { startWarmUp } from '../../../src/shard/reads/warm-up.ts';
import { SHARD_READS } from '../../../src/shared/read/contract.ts';
import { createTurns } from '../../../src/shared/turns.ts';
import { logMessages } from '../../support/log-messages.ts';
import { tracesOf } from '../../support/otlp-samples.ts';
import { openTestStore, spanRecord, type TestStore } from '../../support/shard-store.ts';
import { temporaryFolder } from '../../support/systems.ts';
import {
  otlpBytes,
  post,
  read,
  startTestShard,
  type TestShard,
  testOptions,
} from '../../support/test-shard.ts';
import { watchedReader } from '../../support/watched-reader.ts';

let store: TestStore | undefined;
let shard: TestShard | undefined;
afterEach(async () => {
  await store?.remove();
  await shard?.remove();
  store = undefined;
  shard = undefined;
});

const NEVER = new AbortController().signal;

const counts = (asked: readonly string[]) => asked.filter(sql => sql.includes('count(*) AS traces')).length;

describe('what services have', () => {
  it('is not counted by the first read when it was counted before', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1), spanRecord(1, 2)] });
    const { reader, asked, read } = await watchedReader(store);
    await reader.warmUp(NEVER);
    expect(counts(asked.splice(0))).toBe(1);
    expect((await read('services', {}))[0]).toContain('"span_count":2');
    expect(counts(asked)).toBe(0);
  });

  it('is counted once when it is asked for meanwhile', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1)] });
    const { reader, asked, read } = await watchedReader(store);
    const warming = reader.warmUp(NEVER);
    expect((await read('services', {}))[0]).toContain('"span_count":1');
    await warming;
    expect(counts(asked)).toBe(1);
  });

  it.each([
    ['all spans', {}, '"span_count":3,"trace_count":2'],
    ['the spans of a service', { service: 'shop' }, '"span_count":2,"trace_count":1'],
    ['the spans of a service without any', { service: 'till' }, '"span_count":0,"trace_count":0'],
  ])('is what totals of %s are made of', async (_what, request, totals) => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1), spanRecord(1, 2), spanRecord(2, 1, { service: 'cart' })] });
    const { reader, asked, read } = await watchedReader(store);
    await reader.warmUp(NEVER);
    asked.length = 0;
    expect((await read('spanTotals', request))[0]).toContain(totals);
    expect(asked.filter(sql => sql.includes('count(DISTINCT trace_id)'))).toEqual([]);
    expect(counts(asked)).toBe(0);
  });

  it('is not waited for by a read whose caller is gone', async () => {
    store = await openTestStore();
    const { database } = store;
    const { promise: answer, resolve: goOn } = Promise.withResolvers<void>();
    const connect = () => answer.then(() => database.connect());
    const { reader } = await watchedReader({ database: { ...database, connect } });
    const warming = reader.warmUp(NEVER);
    const gone = new AbortController();
    const read = reader.read(
      { asOf: undefined, calls: [{ name: 'services', request: SHARD_READS.services.parse({}) }] },
      gone.signal,
    );
    gone.abort(new Error('gone'));
    await expect(read).rejects.toThrow('gone');
    goOn();
    await warming;
  });

  it('is counted by the first read when counting before was ended', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1)] });
    const { reader, read } = await watchedReader(store);
    await expect(reader.warmUp(AbortSignal.abort())).rejects.toThrow();
    expect((await read('services', {}))[0]).toContain('"span_count":1');
  });

  it('is not counted again after a stop, but for what came since it was counted', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1)] });
    const before = await watchedReader(store);
    await before.reader.warmUp(NEVER);
    await store.writer.exclusively(async connection => ({ result: await before.reader.store(connection) }));

    const after = await watchedReader(store);
    expect((await after.read('services', {}))[0]).toContain('"span_count":1');
    expect(counts(after.asked.splice(0))).toBe(0);
    await store.store({ spans: [spanRecord(1, 2)] });
    expect((await after.read('services', {}))[0]).toContain('"span_count":2,"trace_count":1');
    expect(after.asked.filter(sql => sql.includes('count(*) AS traces')).join()).toContain('commit_no = 2 ');
  });

  it('is counted anew when the database was opened again, which may have lost a commit', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1)] });
    let openings = 1;
    const { reader, read } = await watchedReader({
      database: { ...store.database, openings: () => openings },
    });
    await reader.warmUp(NEVER);
    const connection = await store.database.connect();
    await connection.run("UPDATE store.spans SET service = 'till'");
    connection.closeSync();
    expect((await read('services', {}))[0]).toContain('"service":"shop"');
    openings = 2;
    expect((await read('services', {}))[0]).toContain('"service":"till"');
  });

  it('is stored by a shard that stops', async () => {
    const folder = await temporaryFolder();
    const stopping = await createShard(testOptions(folder.path));
    const body = otlpBytes('traces', tracesOf('shop', [{ trace: 1, span: 1 }]));
    await post(`http://127.0.0.1:${stopping.otlpPort}`, { signal: 'traces', body });
    await read(`http://127.0.0.1:${stopping.readPort}`, 'services', {});
    await stopping.stop();
    store = await openTestStore({ dataDir: folder.path });
    expect(await store.values('SELECT traces FROM store.service_totals')).toEqual([1, 1]);
  });

  it('is counted by a shard that starts, without being asked', async () => {
    const { logger, messages } = logMessages();
    shard = await startTestShard({ logger });
    await shard.send('traces', tracesOf('shop', [{ trace: 1, span: 1 }]));
    await expect.poll(() => messages).toContain('counted what the services have');
    messages.length = 0;
    await shard.restart();
    await expect.poll(() => messages).toContain('counted what the services have');
  });
});

describe('where traces are', () => {
  const TRACE = { traceId: '1'.padStart(32, '0') };
  const lookups = (asked: readonly string[]) => asked.filter(sql => sql.includes('trace_commits')).length;

  it('is not asked of the database when it was learned before', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1), spanRecord(2, 1)] });
    const { reader, asked, read } = await watchedReader(store);
    await reader.learn(NEVER);
    expect(lookups(asked.splice(0))).toBe(1);
    await reader.learn(NEVER);
    expect(asked).toEqual([]);
    await store.store({ spans: [spanRecord(1, 2)] });
    expect(await read('trace', TRACE)).toHaveLength(3);
    expect(await read('spans', { limit: 10 })).toHaveLength(4);
    expect(lookups(asked)).toBe(0);
  });

  it('is learned anew when the database was opened again, which may have lost a commit', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1)] });
    let openings = 1;
    const database = { ...store.database, openings: () => openings };
    const { reader, asked, read } = await watchedReader({ database, writer: store.writer });
    await reader.learn(NEVER);
    await store.store({ spans: [spanRecord(1, 2)] });
    expect(await read('trace', TRACE)).toHaveLength(3);
    const connection = await store.database.connect();
    await connection.run('UPDATE store.trace_commits SET trace_key = 7 WHERE commit_no = 2');
    connection.closeSync();
    expect(await read('trace', TRACE)).toHaveLength(3);
    openings = 2;
    expect(await read('trace', TRACE)).toHaveLength(2);
    await reader.learn(NEVER);
    asked.length = 0;
    expect(await read('trace', TRACE)).toHaveLength(2);
    expect(lookups(asked)).toBe(0);
  });

  it('is learned by a shard that starts', async () => {
    const { logger, messages } = logMessages();
    shard = await startTestShard({ logger });
    await expect.poll(() => messages).toContain('learned where traces are');
  });

  it('is asked of the database when it cannot be learned at the start, and tried again as long as it runs', async () => {
    const { logger, messages } = logMessages();
    let learned = 0;
    const warmUp = startWarmUp({
      reader: {
        learn: () => {
          learned++;
          return learned === 1 ? Promise.reject(new Error('no memory')) : Promise.resolve();
        },
        warmUp: () => Promise.resolve(),
        store: () => Promise.resolve(),
      },
      turns: createTurns({ running: 1, waiting: 1 }),
      writer: { exclusively: async work => (await work(undefined as never)).result },
      refusal: () => Promise.resolve(undefined),
      logger,
      learnEveryMs: 1,
    });
    await warmUp.done;
    expect(learned).toBe(1);
    await expect.poll(() => learned).toBeGreaterThan(2);
    await warmUp.stop();
    expect(messages).toEqual(['counted what the services have', 'where traces are is asked of the database']);
  });
});
