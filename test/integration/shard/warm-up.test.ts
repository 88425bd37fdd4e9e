import { Writable } from 'node:stream';
import type { DuckDBConnection } from '@duckdb/node-api';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { parseRead } from '../../../src/shard/reads/call.ts';
import { createReader, type Reader } from '../../../src/shard/reads/reader.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { tracesOf } from '../../support/otlp-samples.ts';
import { openTestStore, spanRecord, type TestStore } from '../../support/shard-store.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let store: TestStore | undefined;
let shard: TestShard | undefined;
afterEach(async () => {
  await store?.remove();
  await shard?.remove();
  store = undefined;
  shard = undefined;
});

/** A reader, and what it asks of DuckDB. */
async function watchedReader({ database }: TestStore): Promise<{ reader: Reader; asked: string[] }> {
  const asked: string[] = [];
  const connect = async (): Promise<DuckDBConnection> => {
    const connection = await database.connect();
    const run = connection.run.bind(connection);
    connection.run = (...call) => {
      asked.push(call[0]);
      return run(...call);
    };
    return connection;
  };
  const caps = { maxRows: 1000, maxBytes: 1_000_000 };
  const reader = createReader({ database: { ...database, connect }, hash: await createHash(), caps });
  return { reader, asked };
}

const NEVER = new AbortController().signal;

async function services(reader: Reader): Promise<readonly string[]> {
  const call = parseRead('services', {});
  if (call.kind === 'refused') throw new Error(call.message);
  const answer = await reader.read(call.value, NEVER);
  if (answer.kind === 'gone') throw new Error(answer.reason);
  return [...answer.lines];
}

const counts = (asked: readonly string[]) => asked.filter(sql => sql.includes('count(*) AS traces')).length;

describe('what services have', () => {
  it('is not counted by the first read when it was counted before', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1), spanRecord(1, 2)] });
    const { reader, asked } = await watchedReader(store);
    await reader.warmUp(NEVER);
    expect(counts(asked.splice(0))).toBe(1);
    expect((await services(reader))[0]).toContain('"span_count":2');
    expect(counts(asked)).toBe(0);
  });

  it('is counted once when it is asked for meanwhile', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1)] });
    const { reader, asked } = await watchedReader(store);
    const warming = reader.warmUp(NEVER);
    expect((await services(reader))[0]).toContain('"span_count":1');
    await warming;
    expect(counts(asked)).toBe(1);
  });

  it('is counted by the first read when counting before was ended', async () => {
    store = await openTestStore();
    await store.store({ spans: [spanRecord(1, 1)] });
    const { reader } = await watchedReader(store);
    await expect(reader.warmUp(AbortSignal.abort())).rejects.toThrow();
    expect((await services(reader))[0]).toContain('"span_count":1');
  });

  it('is counted by a shard that starts, without being asked', async () => {
    const messages: string[] = [];
    const lines = new Writable({
      write(chunk: Buffer, _encoding, done) {
        messages.push((JSON.parse(chunk.toString()) as { msg: string }).msg);
        done();
      },
    });
    shard = await startTestShard({ logger: pino(lines) });
    await shard.send('traces', tracesOf('shop', [{ trace: 1, span: 1 }]));
    await expect.poll(() => messages).toContain('counted what the services have');
    messages.length = 0;
    await shard.restart();
    await expect.poll(() => messages).toContain('counted what the services have');
  });
});
