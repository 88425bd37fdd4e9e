import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestStore, spanRecord, type TestStore } from '../../support/shard-store.ts';
import { watchedReader } from '../../support/watched-reader.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await store.store({ spans: [spanRecord(1, 1), spanRecord(1, 2), spanRecord(2, 1)] });
});
afterAll(() => store.remove());

describe('a read takes few trips to the database, each of which waits for its turn beside ingest:', () => {
  it('a trace', async () => {
    const watched = await watchedReader(store);
    expect(await watched.read('trace', { traceId: '1'.padStart(32, '0') })).toHaveLength(3);
    // The commit, the trace's commits, its spans, their sources.
    expect(watched.trips).toBe(4);
  });

  it('the newest spans of a service', async () => {
    const watched = await watchedReader(store);
    expect(await watched.read('spans', { service: 'shop', limit: 3 })).toHaveLength(4);
    // The commit, how far back, the keys, their traces' commits, the spans, whether they moved, their sources.
    expect(watched.trips).toBe(10);
  });
});
