import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createLiveFeed } from '../../src/query/live/live-feed.ts';
import type { ShardSpec, Topology } from '../../src/shared/topology/topology.ts';
import { fixedTopology } from '../../src/shared/topology/topology-source.ts';
import { type LiveClient, listenLive } from '../support/live-client.ts';
import { attribute, logsOf, spanId, traceId, tracesOf } from '../support/otlp-samples.ts';
import { type QueryHarness, startQuery } from '../support/query-harness.ts';
import { postWrite } from '../support/shard-writes.ts';
import { startStubFeed } from '../support/stub-feed.ts';
import { shardSpec, topologyOf } from '../support/stub-shard.ts';
import { startTestShard, type TestShard } from '../support/test-shard.ts';

/** A real shard that keeps its address over restarts. */
async function startFixedShard(): Promise<TestShard> {
  const read = { host: '127.0.0.1', port: 0 };
  const shard = await startTestShard({ read });
  read.port = Number(new URL(shard.readUrl).port);
  return shard;
}

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function startShards(count: number): Promise<TestShard[]> {
  const shards = await Promise.all(Array.from({ length: count }, startFixedShard));
  for (const shard of shards) endings.push(() => shard.remove());
  return shards;
}

const specOf = (shard: TestShard, index: number): ShardSpec =>
  shardSpec(`s${index}`, Number(new URL(shard.readUrl).port));

async function startProxy(
  specs: readonly ShardSpec[],
  options: Parameters<typeof startQuery>[1] = {},
): Promise<QueryHarness> {
  const query = await startQuery(specs, options);
  endings.push(() => query.stop());
  return query;
}

async function listen(query: QueryHarness, path: string): Promise<LiveClient> {
  const client = await listenLive(`${query.origin}/api/v1/${path}`);
  expect(client.status).toBe(200);
  endings.push(() => client.close());
  return client;
}

const told = (client: LiveClient, member: string) =>
  client
    .events()
    .flat()
    .map(row => row[member]);
const spanNamed = (name: string) => tracesOf('shop', [{ trace: 1, span: 1, name }]);

describe('the live feed of the query proxy', () => {
  it('G2: tells what every shard stores, as reads show it', async () => {
    const shards = await startShards(3);
    const client = await listen(await startProxy(shards.map(specOf)), 'traces/live');
    for (const [index, shard] of shards.entries()) await shard.send('traces', spanNamed(`größe 😀 ${index}`));

    await expect.poll(() => client.events()).toHaveLength(3);
    const stored = await Promise.all(
      shards.map(async shard => (await shard.read('spans', { limit: 9 })).rows),
    );
    const byName = (a: object, b: object) => JSON.stringify(a).localeCompare(JSON.stringify(b));
    expect(client.events().flat().toSorted(byName)).toEqual(stored.flat().toSorted(byName));
  });

  it('G2: tells logs and runner spans, too', async () => {
    const shards = await startShards(2);
    const query = await startProxy(shards.map(specOf));
    const logs = await listen(query, 'logs/live');
    const spans = await listen(query, 'traces/live');
    await shards[0]?.send('logs', logsOf('shop', [{ timeUnixNano: '5', body: { stringValue: 'hello' } }]));
    const written = await postWrite(shards[1]?.readUrl ?? '', 'runnerSpan', {
      id: 'w1',
      traceId: traceId('eval'),
      spanId: spanId('case'),
      startNs: '1000',
      endNs: '2000',
      status: 'ok',
      attributes: {},
    });

    await expect.poll(() => told(logs, 'body')).toEqual(['hello']);
    await expect.poll(() => spans.events()).toEqual([[written.body]]);
  });

  it('is framed as clients read it: one line of ASCII and an empty line, LF only', async () => {
    const [shard] = (await startShards(1)) as [TestShard];
    const client = await listen(await startProxy([specOf(shard, 0)]), 'traces/live');
    await shard.send('traces', spanNamed('größe 😀'));

    await expect.poll(() => client.events()).toHaveLength(1);
    expect(client.text()).toMatch(/^data: \[[\x20-\x7e]+\]\n\n$/);
    expect(client.headers['content-type']).toBe('text/event-stream');
    expect(client.headers['cache-control']).toBe('no-cache');
  });

  it('filters exactly, and takes words in any case', async () => {
    const shards = await startShards(2);
    const query = await startProxy(shards.map(specOf));
    const failed = await listen(query, 'traces/live?service=shop&status=ERROR');
    const warnings = await listen(query, 'logs/live?severity=Warn');
    const warning = (body: string, severityNumber: number) => ({
      timeUnixNano: '5',
      severityNumber,
      body: { stringValue: body },
    });
    for (const [index, shard] of shards.entries()) {
      const sample = { trace: 1, span: 1, status: 2, attributes: [attribute('n', index)] };
      await shard.send('traces', tracesOf('shopping', [{ ...sample, name: 'other' }]));
      await shard.send('traces', tracesOf('shop', [{ ...sample, name: 'fine', status: 1 }]));
      await shard.send('logs', logsOf('shop', [warning('info', 9), warning(`warn ${index}`, 13)]));
      await shard.send('traces', tracesOf('shop', [{ ...sample, name: `bad ${index}` }]));
    }

    await expect.poll(() => told(failed, 'operation').toSorted()).toEqual(['bad 0', 'bad 1']);
    await expect.poll(() => told(warnings, 'body').toSorted()).toEqual(['warn 0', 'warn 1']);
  });

  it('refuses bad parameters and is not taken for a trace', async () => {
    const query = await startProxy([]);
    for (const [path, error] of [
      ['traces/live?status=bad', 'bad status "bad": expected one of ok, error, unset'],
      ['traces/live?service=a&service=b', 'parameter service is given more than once, accepted is one value'],
      ['logs/live?severity=warning', /^bad severity "warning"/],
    ] as const) {
      const { status, body } = await query.get(`/api/v1/${path}`);
      expect(status, path).toBe(400);
      expect(body.error, path).toMatch(error);
    }
    expect((await query.get('/api/v1/traces/live', { method: 'HEAD' })).status).toBe(200);
  });

  it('announces the gap of a shard that is away and takes it up again, while the others go on', async () => {
    const [stays, restarts] = (await startShards(2)) as [TestShard, TestShard];
    const client = await listen(await startProxy([stays, restarts].map(specOf)), 'traces/live');
    await restarts.send('traces', spanNamed('before'));
    await expect.poll(() => told(client, 'operation')).toEqual(['before']);

    await restarts.restart();
    await expect.poll(() => client.comments()).toContainEqual(expect.stringMatching(/^: gap s1: /));
    await stays.send('traces', spanNamed('meanwhile'));
    await expect.poll(() => client.comments()).toContain(': resumed s1');
    await restarts.send('traces', spanNamed('after'));

    await expect.poll(() => told(client, 'operation').toSorted()).toEqual(['after', 'before', 'meanwhile']);
    expect(client.comments().filter(text => text.startsWith(': gap'))).toHaveLength(1);
    expect(client.ending()).toBeUndefined();
  });

  it('stays open with every shard down, and says so', async () => {
    const port = await freePort();
    const client = await listen(await startProxy([shardSpec('s0', port)]), 'logs/live');

    await expect.poll(() => client.comments()).toEqual([': gap s0: connection failed (ECONNREFUSED)']);
    const late = await startTestShard({ read: { host: '127.0.0.1', port } });
    endings.push(() => late.remove());
    await expect.poll(() => client.comments()).toContain(': resumed s0');
    await late.send('logs', logsOf('shop', [{ timeUnixNano: '5', body: { stringValue: 'here' } }]));
    await expect.poll(() => told(client, 'body')).toEqual(['here']);
  });

  it('is broken off, never ended, when the proxy stops', async () => {
    const [shard] = (await startShards(1)) as [TestShard];
    const query = await startQuery([specOf(shard, 0)]);
    const client = await listen(query, 'traces/live');
    await query.stop();
    await expect.poll(() => client.ending()).toBe('broken off');
  });

  it('follows the topology', async () => {
    const [old, added] = (await startShards(2)) as [TestShard, TestShard];
    const listeners: ((topology: Topology) => void)[] = [];
    const change = (topology: Topology) => {
      for (const listener of listeners) listener(topology);
    };
    const topology = topologyOf([specOf(old, 0)]);
    const query = await startProxy([], {
      topology: { current: () => topology, onChange: listener => void listeners.push(listener) },
    });
    const client = await listen(query, 'traces/live');
    await old.send('traces', spanNamed('of the old one'));
    await expect.poll(() => told(client, 'operation')).toEqual(['of the old one']);

    change(topologyOf([specOf(added, 1)]));
    await expect.poll(() => client.comments()).toEqual([': gap s1: joined the topology', ': resumed s1']);
    await old.send('traces', spanNamed('unheard'));
    await added.send('traces', spanNamed('of the new one'));
    await expect.poll(() => told(client, 'operation')).toEqual(['of the old one', 'of the new one']);

    change(topologyOf([{ ...specOf(old, 0), id: 's1' }]));
    await expect
      .poll(() => client.comments().slice(2))
      .toEqual([': gap s1: its address has changed', ': resumed s1']);
    await old.send('traces', spanNamed('of the other address'));
    await expect.poll(() => told(client, 'operation').at(-1)).toBe('of the other address');
  });

  it('bounds the number of subscribers', async () => {
    const query = await startProxy([]);
    const clients = await Promise.all(Array.from({ length: 64 }, () => listen(query, 'traces/live')));
    const { status, body } = await query.get('/api/v1/logs/live');
    expect(status).toBe(503);
    expect(body).toEqual({ error: 'there are 64 live subscribers already' });

    clients[0]?.close();
    const retry = async () => {
      const client = await listenLive(`${query.origin}/api/v1/logs/live`);
      endings.push(() => client.close());
      return client.status;
    };
    await expect.poll(retry).toBe(200);
  });

  it('drops the oldest events of a client that does not keep up, and tells how many rows', async () => {
    // Far more than the queue and the kernel's buffers of one connection take.
    const events = 300;
    const filler = 'x'.repeat(100_000);
    const turns = Promise.withResolvers<void>();
    let quick: LiveClient | undefined;
    const feed = await startStubFeed('s0', async response => {
      const isQuick = response.req.url?.includes('service=quick') ?? false;
      let sentBytes = 0;
      const write = async (text: string) => {
        if (!response.write(text)) await once(response, 'drain');
        sentBytes += text.length;
        // In step with the client, or a busy machine might make it a slow one, too.
        while (isQuick && (quick?.text().length ?? 0) < sentBytes) await setImmediate();
      };
      response.writeHead(200).flushHeaders();
      await turns.promise;
      for (let n = 0; n < events; n++) await write(`data: [{"n":${n},"filler":"${filler}"},{}]\n\n`);
      await write('data: [{"n":"last"}]\n\n');
      response.write(': dropped 1000000\n\n');
    });
    endings.push(() => feed.stop());
    const query = await startProxy([feed.spec]);
    const slow = await listen(query, 'traces/live');
    quick = await listen(query, 'traces/live?service=quick');
    slow.pause();
    turns.resolve();
    await expect.poll(() => quick.text().endsWith(': dropped 1000000\n\n')).toBe(true);
    expect(quick.events()).toHaveLength(events + 1);

    slow.resume();
    await expect.poll(() => slow.text().includes('"last"')).toBe(true);
    await expect.poll(() => slow.text().endsWith('\n\n')).toBe(true);
    const dropped = slow
      .comments()
      .map(text => Number(/^: dropped (\d+)$/.exec(text)?.[1]))
      .reduce((sum, rows) => sum + rows, 0);
    expect(slow.events().flat().length + dropped).toBe(2 * events + 1 + 1_000_000);
    expect(slow.events().length).toBeLessThan((2 * events) / 3);
  });

  it('drops a client that takes nothing for too long, and keeps one that has nothing to take', async () => {
    const filler = 'x'.repeat(100_000);
    const feed = await startStubFeed('s0', async response => {
      response.writeHead(200).flushHeaders();
      while (!response.destroyed && response.req.url?.includes('service=busy')) {
        response.write(`data: [{"filler":"${filler}"}]\n\n`);
        await new Promise(resolve => setTimeout(resolve, 1));
      }
    });
    endings.push(() => feed.stop());
    const topology = fixedTopology(topologyOf([feed.spec]));
    const live = createLiveFeed({ topology, random: () => 0, heartbeatMs: 100, stallMs: 500 });
    const dropped: string[] = [];
    const server = createServer((request, response) => {
      response.once('close', () => dropped.push(request.url ?? ''));
      live.subscribe({ kind: 'spans', filter: { service: request.url?.slice(1) }, response });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    endings.push(
      () => live.stop(),
      () => server.close(),
    );
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const idle = await listenLive(`${origin}/idle`);
    const stalled = await listenLive(`${origin}/busy`);
    endings.push(
      () => idle.close(),
      () => stalled.close(),
    );
    stalled.pause();
    await expect.poll(() => dropped).toEqual(['/busy']);
    expect(idle.comments().length).toBeGreaterThan(5);
  });

  it('takes what a shard says that is not an event for the end of its stream', async () => {
    const feed = await startStubFeed('s0', response => void response.write('data: {"no":"array"}\n\n'));
    endings.push(() => feed.stop());
    const client = await listen(await startProxy([feed.spec]), 'traces/live');

    await expect.poll(() => client.comments()[0]).toBe(': gap s0: sent an event that is not a JSON array');
    await expect.poll(() => feed.asked.length).toBeGreaterThan(1);
    expect(client.events()).toEqual([]);
  });

  it('says why a shard refuses, in one line of ASCII', async () => {
    const feed = await startStubFeed('s0', response => {
      response.writeHead(503).end(JSON.stringify({ error: 'zu viele\nHörer' }));
    });
    endings.push(() => feed.stop());
    const client = await listen(await startProxy([feed.spec]), 'traces/live');
    await expect.poll(() => client.comments()).toEqual([': gap s0: answered 503: zu viele H rer']);
    expect(client.text()).toMatch(/^[\n\x20-\x7e]*$/);
  });

  it('asks shards of kind tael through their public feed and mends what clients stumble over', async () => {
    const text = Buffer.from('data: [{"operation":"größe 😀"}]\r\n\r\n');
    const feed = await startStubFeed('t0', async response => {
      response.writeHead(200).write(':\n\ndata: []\n\nevent: spans\nid: 7\n');
      for (const byte of text) {
        response.write(Buffer.of(byte));
        await setImmediate();
      }
    });
    endings.push(() => feed.stop());
    const query = await startProxy([{ ...feed.spec, kind: 'tael' }]);
    const client = await listen(query, 'traces/live?service=a%26b&status=OK');
    await expect
      .poll(() => client.text())
      .toBe('data: [{"operation":"gr\\u00f6\\u00dfe \\ud83d\\ude00"}]\n\n');
    expect(feed.asked).toEqual(['/api/v1/traces/live?service=a%26b&status=ok']);
    await listen(query, 'logs/live');
    expect(feed.asked[1]).toBe('/api/v1/logs/live');
  });
});

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const feed = await startStubFeed('none', () => {});
  await feed.stop();
  return Number(new URL(feed.spec.read).port);
}
