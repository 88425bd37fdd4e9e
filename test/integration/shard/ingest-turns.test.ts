import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDecoder } from '../../../src/shard/decode/decoder.ts';
import { createAppender } from '../../../src/shard/store/append.ts';
import { ubigint, varchar } from '../../../src/shard/store/columns.ts';
import { NO_POOL } from '../../../src/shared/buffer-pool.ts';
import { createOtlpTypes } from '../../../src/shared/otlp/messages.ts';
import { createTimeSlices } from '../../../src/shared/time-slices.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { tracesOf } from '../../support/otlp-samples.ts';
import { openTestStore, type TestStore } from '../../support/shard-store.ts';
import { otlpBytes } from '../../support/test-shard.ts';
import { turnsDuring } from '../../support/turns.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});
afterAll(() => store.remove());

describe('ingest lets reads have their turns', () => {
  it('between the records of a large request', async () => {
    const decode = createDecoder({ types: createOtlpTypes(), hash: await createHash(), buffers: NO_POOL });
    const spans = Array.from({ length: 320 }, (_, span) => ({ trace: 't', span: span + 1 }));
    const steps = decode('traces', otlpBytes('traces', tracesOf('shop', spans)));
    const turns = await turnsDuring(async () => {
      const decoded = await createTimeSlices({ sliceMs: 0 }).run(steps);
      expect(decoded.kind === 'records' && decoded.records.spans.length).toBe(320);
    });
    expect(turns).toBeGreaterThanOrEqual(20);
  });

  it('between the parts of a large commit', async () => {
    const words = { table: 'log_words', columns: [varchar<string>(word => word), ubigint(() => 1n)] };
    const connection = await store.database.connectAtOnce();
    const appender = createAppender(connection);
    const append = (rows: number) =>
      turnsDuring(() => appender.append(words, Array<string>(rows).fill('word')));
    expect(await append(5000)).toBeGreaterThanOrEqual(4);
    expect(await append(500)).toBe(0);
    connection.closeSync();
  });
});
