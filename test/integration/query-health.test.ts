import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
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

describe('D25: a shard that is slow to say that it is well', () => {
  /** Shards of which the second one says how it is only while it is let. */
  async function startSlow(): Promise<{ fallSilent(): void; recover(): void }> {
    const waiting: (() => void)[] = [];
    let isSilent = false;
    const slow = createServer((_request, response) => {
      if (isSilent) waiting.push(() => response.end('ready'));
      else response.end('ready');
    });
    slow.listen(0, '127.0.0.1');
    await once(slow, 'listening');
    shards = [
      await startStubShard('s0', answers([])),
      {
        spec: shardSpec('s1', (slow.address() as AddressInfo).port),
        stop: () => {
          slow.close();
          slow.closeAllConnections();
          return Promise.resolve();
        },
      } as StubShard,
    ];
    query = await startQuery(
      shards.map(shard => shard.spec),
      { readyQuorum: 2 },
    );
    return {
      fallSilent: () => {
        isSilent = true;
      },
      recover: () => {
        isSilent = false;
        for (const answer of waiting.splice(0)) answer();
      },
    };
  }

  const readiness = async () => (await query.get('/readyz')).status;

  it('is not down until it has been silent three times in a row, and up again with its first word', async () => {
    const { fallSilent, recover } = await startSlow();
    expect(await readiness()).toBe(200);
    fallSilent();
    expect([await readiness(), await readiness(), await readiness()]).toEqual([200, 200, 503]);
    recover();
    expect(await readiness()).toBe(200);
    fallSilent();
    expect(await readiness()).toBe(200);
  }, 20_000);

  it('is not down for many that ask at the same time: they share one check', async () => {
    const { fallSilent } = await startSlow();
    expect(await readiness()).toBe(200);
    fallSilent();
    const asked = await Promise.all(Array.from({ length: 8 }, readiness));
    expect(asked).toEqual(Array.from({ length: 8 }, () => 200));
  });

  it('is not up before it was ever ready', async () => {
    const { fallSilent } = await startSlow();
    fallSilent();
    expect(await readiness()).toBe(503);
  });
});

describe('G7: /readyz', () => {
  it('asks all shards at the same time what they themselves say, not whether they live', async () => {
    await start([true, true, true], 3);
    expect((await query.get('/readyz')).status).toBe(200);
    await query.stop();
    await Promise.all(shards.map(shard => shard.stop()));
    await start([false, false, true], 2);
    expect((await query.get('/readyz')).body.error).toBe(
      '1 of 3 shards are ready, 2 needed; not ready: s0 (shard unavailable: answered 503), s1 (shard unavailable: answered 503)',
    );
  });
});
