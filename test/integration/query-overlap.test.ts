import { afterEach, describe, expect, it } from 'vitest';
import { createHash } from '../../src/shared/topology/hash.ts';
import { createTopology, type ShardSpec, type Topology } from '../../src/shared/topology/topology.ts';
import { spanId, traceId, tracesOf } from '../support/otlp-samples.ts';
import { type QueryHarness, startQuery } from '../support/query-harness.ts';
import { eventually } from '../support/read-api.ts';
import { answers, type StubShard, shardSpec, startStubShard } from '../support/stub-shard.ts';
import { startTestShard, type TestShard } from '../support/test-shard.ts';

const hash = await createHash();
const stopped: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopped.splice(0).reverse()) await stop();
});

async function startShards(count: number): Promise<TestShard[]> {
  const shards = await Promise.all(Array.from({ length: count }, () => startTestShard()));
  stopped.push(...shards.map(shard => () => shard.remove()));
  return shards;
}

function specOf(id: string, shard: TestShard, state: ShardSpec['state'] = 'active'): ShardSpec {
  return { ...shardSpec(id, Number(new URL(shard.readUrl).port)), state };
}

/** A query proxy whose topology can be replaced, as a changed file does it. */
async function startFollowing(initial: Topology): Promise<QueryHarness & { change(to: Topology): void }> {
  let topology = initial;
  const listeners: ((next: Topology) => void)[] = [];
  const query = await startQuery([], {
    timeoutMs: 10_000,
    clock: { now: () => Date.now() },
    topology: { current: () => topology, onChange: listener => void listeners.push(listener) },
  });
  stopped.push(() => query.stop());
  const change = (to: Topology) => {
    topology = to;
    for (const listener of listeners) listener(to);
  };
  return { ...query, change };
}

describe('F5: a trace that lies on several shards', () => {
  it('counts once for each service, as on one shard that holds everything', async () => {
    const [one, two, whole] = (await startShards(3)) as [TestShard, TestShard, TestShard];
    const early = tracesOf('shop', [
      { trace: 'moved', span: 1 },
      { trace: 'stayed', span: 2 },
    ]);
    const late = tracesOf('shop', [
      { trace: 'moved', span: 3 },
      { trace: 'new', span: 4 },
    ]);
    const elsewhere = tracesOf('bank', [{ trace: 'moved', span: 5 }]);
    for (const [shard, sent] of [
      [one, [early]],
      [two, [late, elsewhere]],
      [whole, [early, late, elsewhere]],
    ] as const)
      for (const json of sent) await shard.send('traces', json);

    const both = await startQuery([specOf('s0', one), specOf('s1', two)], { timeoutMs: 10_000 });
    const single = await startQuery([specOf('s0', whole)], { timeoutMs: 10_000 });
    stopped.push(
      () => both.stop(),
      () => single.stop(),
    );
    const { services } = (await both.get('/api/v1/services')).body;
    expect(services).toMatchObject([
      { name: 'shop', span_count: 4, trace_count: 3 },
      { name: 'bank', span_count: 1, trace_count: 1 },
    ]);
    expect(services).toEqual((await single.get('/api/v1/services')).body.services);
  });
});

describe('F17: a shard that left the topology', () => {
  it('is read in parallel with the rest while an earlier version names it and it holds data', async () => {
    const [stays, leaves] = (await startShards(2)) as [TestShard, TestShard];
    await stays.send('traces', tracesOf('shop', [{ trace: 'a', span: 1 }]));
    await leaves.send('traces', tracesOf('shop', [{ trace: 'a', span: 2 }]));
    const shards = [specOf('s0', stays), specOf('s1', leaves, 'removed')];
    const named = createTopology(
      { version: 2, shards, previous: [{ version: 1, shards: ['s0', 's1'] }] },
      hash,
    );
    const query = await startFollowing(named);
    const { body } = await query.get(`/api/v1/traces/${traceId('a')}`);
    expect(body).toMatchObject({ span_count: 2, partial: false, shards: { total: 2, ok: 2 } });
    query.change(createTopology({ version: 3, shards }, hash));
    const without = await query.get(`/api/v1/traces/${traceId('a')}`);
    expect(without.body).toMatchObject({
      spans: [{ span_id: spanId(1) }],
      shards: { total: 1, ok: 1 },
    });
  });

  it('is asked no more once it says that it holds nothing, and again when it may hold something', async () => {
    const [stays, empty] = (await startShards(2)) as [TestShard, TestShard];
    const shards = [specOf('s0', stays), specOf('s1', empty, 'removed')];
    let nowMs = 1_700_000_000_000;
    const topology = createTopology(
      { version: 2, shards, previous: [{ version: 1, shards: ['s0', 's1'] }] },
      hash,
    );
    const query = await startQuery([], {
      timeoutMs: 10_000,
      clock: { now: () => nowMs },
      steady: { now: () => nowMs },
      topology: { current: () => topology, onChange: () => {} },
    });
    stopped.push(() => query.stop());
    const total = async () => {
      const { shards: asked } = (await query.get('/api/v1/logs')).body;
      return (asked as { total: number }).total;
    };
    expect(await total()).toBe(2);
    await eventually(total, asked => asked === 1);
    await empty.send('logs', { resourceLogs: [{ scopeLogs: [{ logRecords: [{ timeUnixNano: '5' }] }] }] });
    nowMs += 60_000;
    expect((await query.get('/api/v1/logs')).body).toMatchObject({ count: 1, shards: { total: 2, ok: 2 } });
    expect(await total()).toBe(2);
  });

  it('is not missing from the next page when it said meanwhile that it holds nothing', async () => {
    const [stays, empty] = (await startShards(2)) as [TestShard, TestShard];
    const logRecords = ['5', '6', '7'].map(timeUnixNano => ({ timeUnixNano }));
    await stays.send('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
    const shards = [specOf('s0', stays), specOf('s1', empty, 'removed')];
    const previous = [{ version: 1, shards: ['s0', 's1'] }];
    const query = await startFollowing(createTopology({ version: 2, shards, previous }, hash));
    const first = (await query.get('/api/v1/logs?limit=1')).body;
    await eventually(
      async () => (await query.get('/api/v1/logs')).body.shards as { total: number },
      ({ total }) => total === 1,
    );
    const next = await query.get(`/api/v1/logs?limit=1&partial=false&cursor=${first.next_cursor}`);
    expect(next.status).toBe(200);
    expect(next.body).toMatchObject({ count: 1, partial: false, shards: { failed: [] } });
  });

  it('does not count for readiness when it holds nothing', async () => {
    const [leaves] = (await startShards(1)) as [TestShard];
    const shards = [shardSpec('s0', 1), specOf('s1', leaves, 'removed')];
    const previous = [{ version: 1, shards: ['s0', 's1'] }];
    const query = await startFollowing(createTopology({ version: 2, shards, previous }, hash));
    const ready = async () => (await query.get('/readyz')).body;
    const down = {
      error: expect.stringMatching(/^0 of 1 shards are ready, 1 needed; not ready: s0 \(.+\)$/),
    };
    expect(await ready()).toEqual(down);
    await eventually(
      async () => (await query.get('/api/v1/logs')).body.shards as { total: number },
      ({ total }) => total === 1,
    );
    expect(await ready()).toEqual(down);
  });

  it('counts for readiness while it holds something', async () => {
    const [leaves] = (await startShards(1)) as [TestShard];
    await leaves.send('traces', tracesOf('shop', [{ trace: 'a', span: 1 }]));
    const shards = [shardSpec('s0', 1), specOf('s1', leaves, 'removed')];
    const previous = [{ version: 1, shards: ['s0', 's1'] }];
    const query = await startFollowing(createTopology({ version: 2, shards, previous }, hash));
    await eventually(
      async () => (await query.get('/readyz')).status,
      status => status === 200,
    );
  });

  it('is named as missing when it cannot be reached: it may hold something', async () => {
    const [stays] = (await startShards(1)) as [TestShard];
    const shards = [specOf('s0', stays), { ...shardSpec('s1', 1), state: 'removed' as const }];
    const previous = [{ version: 1, shards: ['s0', 's1'] }];
    const query = await startFollowing(createTopology({ version: 2, shards, previous }, hash));
    expect((await query.get('/api/v1/logs')).body).toMatchObject({
      partial: true,
      shards: { failed: [{ id: 's1' }] },
    });
  });
});

describe('H8: a changed topology', () => {
  const stubAt = async (id: string, name: string): Promise<StubShard & { connections(): number }> => {
    const row = { key: ['1', '1', '', '', name], row: { body: name } };
    let open = 0;
    const seen = new Set<unknown>();
    const stub = await startStubShard(id, (response, request, read) => {
      if (!seen.has(request.socket)) {
        seen.add(request.socket);
        open++;
        request.socket.once('close', () => {
          open--;
        });
      }
      answers([row])(response, request, read);
    });
    stopped.push(() => stub.stop());
    return { ...stub, connections: () => open };
  };

  it('is followed without a restart, also in addresses, and old connections are let go', async () => {
    const before = await stubAt('s0', 'before');
    const after = await stubAt('s0', 'after');
    const topologyAt = ({ spec }: StubShard) => createTopology({ version: 1, shards: [spec] }, hash);
    const query = await startFollowing(topologyAt(before));
    expect((await query.get('/api/v1/logs')).body).toMatchObject({ logs: [{ body: 'before' }] });
    expect(before.connections()).toBe(1);
    query.change(topologyAt(after));
    expect((await query.get('/api/v1/logs')).body).toMatchObject({ logs: [{ body: 'after' }] });
    await expect.poll(before.connections).toBe(0);
    expect(after.connections()).toBe(1);
  });

  it('lets a call end that is in hand at the old address', async () => {
    const release = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const slow = await startStubShard('s0', async (response, request, read) => {
      asked.resolve();
      await release.promise;
      answers([{ key: ['1', '1', '', '', 'x'], row: { body: 'slow' } }])(response, request, read);
    });
    stopped.push(() => slow.stop());
    const after = await stubAt('s0', 'after');
    const query = await startFollowing(createTopology({ version: 1, shards: [slow.spec] }, hash));
    const reply = query.get('/api/v1/logs');
    await asked.promise;
    query.change(createTopology({ version: 1, shards: [after.spec] }, hash));
    release.resolve();
    expect((await reply).body).toMatchObject({ logs: [{ body: 'slow' }], partial: false });
  });
});
