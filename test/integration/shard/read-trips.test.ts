import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ShardReadName, ShardReadRequest } from '../../../src/shared/read/contract.ts';
import { openTestStore, spanRecord, type TestStore } from '../../support/shard-store.ts';
import { type WatchedReader, watchedReader } from '../../support/watched-reader.ts';

let store: TestStore;
let watched: WatchedReader;
beforeAll(async () => {
  store = await openTestStore();
  await store.store({ spans: [spanRecord(1, 1), spanRecord(1, 2), spanRecord(2, 1)] });
  // Reads that come into its work are read again.
  await store.maintenance.stop();
  watched = await watchedReader(store);
  await watched.reader.learn(new AbortController().signal);
  // What rows name besides is known then.
  await watched.read('spans', { limit: 3 });
});
afterAll(() => store.remove());

/** How many it takes, and the lines of its answer. */
async function trips<N extends ShardReadName>(name: N, request: ShardReadRequest<N>): Promise<number[]> {
  watched.trips = 0;
  const lines = await watched.read(name, request);
  return [watched.trips, lines.length];
}

describe('a read takes few trips to the database, each of which waits for its turn beside ingest:', () => {
  it('a trace', async () => {
    // Its spans.
    expect(await trips('trace', { traceId: '1'.padStart(32, '0') })).toEqual([1, 3]);
  });

  it('the newest spans of a service', async () => {
    // How far back, the keys, the spans, whether they moved.
    expect(await trips('spans', { service: 'shop', limit: 3 })).toEqual([6, 4]);
  });

  it('spans of which there are none', async () => {
    // How far back, the keys.
    expect(await trips('spans', { attributes: [['a', 'b']], limit: 3 })).toEqual([3, 1]);
  });

  it('services, as they are after another commit', async () => {
    await watched.read('services', {});
    await store.store({ spans: [spanRecord(3, 1)] });
    // What came since, traces that go on, the count.
    expect(await trips('services', {})).toEqual([3, 2]);
    // What came since.
    expect(await trips('services', {})).toEqual([1, 2]);
  });
});
