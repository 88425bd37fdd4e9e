import { afterEach, describe, expect, it } from 'vitest';
import { type QueryHarness, startQuery } from '../support/query-harness.ts';
import { answers, type StubShard, shardSpec, startStubShard } from '../support/stub-shard.ts';

let shards: StubShard[] = [];
let query: QueryHarness;

async function start(ready: readonly boolean[], readyQuorum: number): Promise<void> {
  shards = await Promise.all(
    ready.map((isReady, index) => startStubShard(`s${index}`, answers([]), isReady)),
  );
  query = await startQuery(
    shards.map(shard => shard.spec),
    { readyQuorum },
  );
}

afterEach(async () => {
  await query.stop();
  await Promise.all(shards.map(shard => shard.stop()));
});

describe('/healthz', () => {
  it('is ok without any shard', async () => {
    await start([false], 1);
    expect(await query.get('/healthz')).toMatchObject({ status: 200, text: 'ok' });
  });
});

describe('/readyz', () => {
  it('is ready while enough shards are', async () => {
    await start([true, false, true], 2);
    expect(await query.get('/readyz')).toMatchObject({ status: 200, text: 'ready' });
  });

  it('names the shards that are not ready when too few are', async () => {
    await start([true, false, true], 3);
    const { status, body } = await query.get('/readyz');
    expect(status).toBe(503);
    expect(body).toEqual({
      error: '2 of 3 shards are ready, 3 needed; not ready: s1 (shard unavailable: answered 503)',
    });
  });

  it('counts shards that cannot be reached or read as not ready', async () => {
    query = await startQuery([{ ...shardSpec('t0', 1), kind: 'tael' }, shardSpec('s1', 1)]);
    shards = [];
    const { status, body } = await query.get('/readyz');
    expect(status).toBe(503);
    expect(body.error).toMatch(
      /^0 of 2 shards are ready, 1 needed; not ready: t0 \(.+\), s1 \(connection failed .+\)$/,
    );
  });
});
