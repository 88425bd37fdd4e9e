import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLane, type Lane, type LaneOptions } from '../../src/ingest/delivery/lane.ts';
import { createShardSender, type ShardSender } from '../../src/ingest/delivery/shard-sender.ts';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createLmdbQueue } from '../../src/ingest/queue/lmdb-queue.ts';
import { decodeSlices } from '../../src/shared/otlp/batch-header.ts';
import { newBatch } from '../conformance/new-batch.ts';

interface Delivery {
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly afterMs?: number;
}

/** A shard's OTLP door over a real socket that answers what the test says. */
async function startShard(answer: (delivery: Delivery, count: number) => Answer | 'hang up' | 'silence') {
  const deliveries: Delivery[] = [];
  const atOnce = { now: 0, most: 0 };
  const server: Server = createServer(async (request, response) => {
    atOnce.now += 1;
    atOnce.most = Math.max(atOnce.most, atOnce.now);
    response.once('close', () => {
      atOnce.now -= 1;
    });
    const delivery = { path: request.url, headers: request.headers, body: await buffer(request) };
    deliveries.push(delivery);
    const reply = answer(delivery, deliveries.length);
    if (reply === 'silence') return;
    if (reply === 'hang up') {
      request.socket.destroy();
      return;
    }
    await sleep(reply.afterMs ?? 0);
    response.writeHead(reply.status, reply.headers).end(reply.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    deliveries,
    atOnce,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const ok: Answer = { status: 200 };
const silent = pino({ level: 'silent' });

/** A logger whose lines can be read. */
function recordingLogger() {
  const lines: { level: number; msg: string }[] = [];
  return { lines, logger: pino({ level: 'info' }, { write: line => void lines.push(JSON.parse(line)) }) };
}

const quick: LaneOptions = {
  concurrency: 4,
  retryInitialMs: 20,
  retryMaxMs: 80,
  horizonMs: 60_000,
  idlePollMs: 50,
  stopGraceMs: 200,
};

describe('delivery', () => {
  let dir: string;
  let queue: BatchQueue;
  const parts: { stop(): Promise<void> }[] = [];

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'otelfan-delivery-'));
    queue = await createLmdbQueue({ dir, leaseMs: 10_000, clock: { now: Date.now }, logger: silent });
  });

  afterEach(async () => {
    for (const part of parts.splice(0)) await part.stop();
    await queue.stop();
    await rm(dir, { recursive: true });
  });

  const shardThat = async (answer: Parameters<typeof startShard>[0]) => {
    const shard = await startShard(answer);
    parts.push(shard);
    return shard;
  };

  const senderTo = (baseUrl: string, timeoutMs = 2000): ShardSender => {
    const sender = createShardSender({ shard: 's0', baseUrl, timeoutMs });
    parts.unshift(sender);
    return sender;
  };

  interface LaneSettings extends Partial<LaneOptions> {
    readonly timeoutMs?: number;
    readonly logger?: pino.Logger;
  }

  const laneTo = (baseUrl: string, { timeoutMs, logger = silent, ...options }: LaneSettings = {}): Lane => {
    const sender = senderTo(baseUrl, timeoutMs);
    const lane = createLane({
      shard: 's0',
      queue,
      send: sender.send,
      options: { ...quick, ...options },
      clock: { now: Date.now },
      random: Math.random,
      logger,
    });
    parts.unshift(lane);
    return lane;
  };

  const statsWhen = (expected: object) =>
    expect.poll(() => queue.stats('s0'), { timeout: 5000, interval: 10 }).toMatchObject(expected);

  const enqueue = async (count: number) => {
    const batches = Array.from({ length: count }, () => newBatch('s0'));
    expect(await queue.enqueue(batches)).toEqual({ kind: 'stored' });
    return batches;
  };

  describe('a sender', () => {
    const never = new AbortController().signal;

    it('posts the batch as plain OTLP with its name in the headers', async () => {
      const shard = await shardThat(() => ok);
      const batch = newBatch('s0', {
        signal: 'logs',
        payload: Buffer.from([0x0a, 0x00, 0xff]),
        slices: [{ exportId: 'ab'.repeat(16), sizeBytes: 3 }],
      });
      expect(await senderTo(`${shard.url}/base/`).send(batch, never)).toEqual({ kind: 'delivered' });
      const [delivery] = shard.deliveries;
      expect(delivery?.path).toBe('/base/v1/logs');
      expect(delivery?.body).toEqual(batch.payload);
      expect(delivery?.headers).toMatchObject({
        'content-type': 'application/x-protobuf',
        'content-length': '3',
        'otelfan-batch-id': batch.id,
      });
      expect(decodeSlices(delivery?.headers['otelfan-slices'] as string, 3)).toEqual(batch.slices);
    });

    it('gives up at its deadline, to the tenth of a second', async () => {
      const shard = await shardThat(() => 'silence');
      const since = performance.now();
      const outcome = await senderTo(shard.url, 150).send(newBatch('s0'), never);
      expect(outcome).toEqual({ kind: 'retry', reason: 'shard s0 did not answer within 150 ms' });
      expect(performance.now() - since).toBeLessThan(300);
    });

    it('takes a lost connection and a closed port for a reason to retry', async () => {
      const shard = await startShard(() => 'hang up');
      const sender = senderTo(shard.url);
      expect((await sender.send(newBatch('s0'), never)).kind).toBe('retry');
      await shard.stop();
      expect(await sender.send(newBatch('s0'), never)).toMatchObject({
        kind: 'retry',
        reason: expect.stringContaining('ECONNREFUSED'),
      });
    });

    it('gives up when told to', async () => {
      const shard = await shardThat(() => 'silence');
      const giveUp = new AbortController();
      const sending = senderTo(shard.url).send(newBatch('s0'), giveUp.signal);
      giveUp.abort();
      expect((await sending).kind).toBe('retry');
    });

    it('keeps a readable, bounded reason from a refusal', async () => {
      const body = `\u0008\u0003\u0012\u0009bad span ${'x'.repeat(100_000)}`;
      const shard = await shardThat(() => ({ status: 400, body }));
      const outcome = await senderTo(shard.url).send(newBatch('s0'), never);
      expect(outcome).toMatchObject({
        kind: 'reject',
        reason: expect.stringMatching(/^HTTP 400: bad span x+$/),
      });
      expect(JSON.stringify(outcome).length).toBeLessThan(600);
    });

    it('refuses an address that it cannot post to, by name', () => {
      const options = { shard: 's2', baseUrl: 'grpc://tael-2:4317', timeoutMs: 100 };
      expect(() => createShardSender(options)).toThrow(/shard s2: otlp is grpc:\/\/tael-2:4317; .* https?:/);
    });
  });

  describe('a lane', () => {
    it('delivers what is there and what comes, every batch once', async () => {
      const early = await enqueue(3);
      const shard = await shardThat(() => ok);
      laneTo(shard.url);
      const late = await enqueue(20);
      await statsWhen({ batches: 0, delivered: { traces: 23 } });
      const ids = shard.deliveries.map(delivery => delivery.headers['otelfan-batch-id']);
      expect(ids.toSorted()).toEqual([...early, ...late].map(batch => batch.id).toSorted());
    });

    it('sends as many at once as it may, and no more', async () => {
      const shard = await shardThat(() => ({ ...ok, afterMs: 20 }));
      await enqueue(12);
      laneTo(shard.url, { concurrency: 3 });
      await statsWhen({ batches: 0 });
      expect(shard.atOnce.most).toBe(3);
    });

    it('does not wait for its next look when this process enqueues', async () => {
      const shard = await shardThat(() => ok);
      laneTo(shard.url, { idlePollMs: 60_000 });
      await sleep(50);
      const since = performance.now();
      await enqueue(1);
      await statsWhen({ batches: 0 });
      expect(performance.now() - since).toBeLessThan(1000);
    });

    it('looks from time to time for what other processes enqueue', async () => {
      const shard = await shardThat(() => ok);
      const deaf: BatchQueue = { ...queue, onEnqueued: () => undefined };
      const lane = createLane({
        shard: 's0',
        queue: deaf,
        send: senderTo(shard.url).send,
        options: quick,
        clock: { now: Date.now },
        random: Math.random,
        logger: silent,
      });
      parts.unshift(lane);
      await sleep(20);
      await enqueue(1);
      await statsWhen({ batches: 0 });
    });

    it('retries until the shard takes the batches, and says so once each way', async () => {
      let isUp = false;
      const shard = await shardThat(() => (isUp ? ok : { status: 503 }));
      const { lines, logger } = recordingLogger();
      await enqueue(10);
      laneTo(shard.url, { logger });
      await sleep(400);
      expect(await queue.stats('s0')).toMatchObject({ batches: 10, deadBatches: 0 });
      isUp = true;
      await statsWhen({ batches: 0, delivered: { traces: 10 } });
      expect(lines.map(({ level, msg }) => ({ level, msg }))).toEqual([
        { level: 40, msg: 'shard does not take batches; they wait in the queue' },
        { level: 30, msg: 'shard takes batches again' },
      ]);
    });

    it('sends one probe at a time to a shard that is down, ever more rarely', async () => {
      let isUp = true;
      const shard = await shardThat(() => (isUp ? ok : { status: 503, afterMs: 5 }));
      laneTo(shard.url, { concurrency: 8, retryInitialMs: 40, retryMaxMs: 400 });
      isUp = false;
      await enqueue(50);
      await expect.poll(() => shard.deliveries.length).toBeGreaterThan(0);
      await sleep(100);
      shard.atOnce.most = 0;
      const before = shard.deliveries.length;
      await sleep(1000);
      expect(shard.atOnce.most).toBeLessThanOrEqual(1);
      // Pauses of 0 to 400 ms: about five, never near the hundreds that fifty batches could make.
      expect(shard.deliveries.length - before).toBeLessThan(25);
    });

    it('rests as long as the shard asks for', async () => {
      const shard = await shardThat((_, count) =>
        count === 1 ? { status: 429, headers: { 'retry-after': '1' } } : ok,
      );
      await enqueue(3);
      const since = performance.now();
      laneTo(shard.url, { concurrency: 1 });
      await statsWhen({ batches: 0 });
      expect(performance.now() - since).toBeGreaterThan(950);
    });

    it('goes on past a batch that the shard cannot store', async () => {
      const batches = await enqueue(20);
      const poison = batches[3]?.id;
      const shard = await shardThat(delivery =>
        delivery.headers['otelfan-batch-id'] === poison ? { status: 500 } : ok,
      );
      laneTo(shard.url);
      await statsWhen({ batches: 1, delivered: { traces: 19 } });
    });

    it('makes a dead letter of what the shard refuses, and goes on', async () => {
      const batches = await enqueue(5);
      const refused = batches[1]?.id;
      const shard = await shardThat(delivery =>
        delivery.headers['otelfan-batch-id'] === refused ? { status: 400, body: 'bad span' } : ok,
      );
      const { lines, logger } = recordingLogger();
      laneTo(shard.url, { logger });
      await statsWhen({ batches: 0, deadBatches: 1, delivered: { traces: 4 }, deadLettered: { traces: 1 } });
      expect(lines).toMatchObject([{ batchId: refused, reason: 'HTTP 400: bad span' }]);
      expect(shard.deliveries).toHaveLength(5);
    });

    it('makes dead letters of what it could not deliver in time, only then', async () => {
      const shard = await shardThat(() => ({ status: 503 }));
      const old = newBatch('s0', { acceptedAtMs: Date.now() - 10_000 });
      const young = newBatch('s0');
      await queue.enqueue([old, young]);
      laneTo(shard.url, { horizonMs: 5_000 });
      await statsWhen({ batches: 1, deadBatches: 1 });
      expect((await queue.stats('s0')).oldestAcceptedAtMs).toBe(young.acceptedAtMs);
    });

    it('still tries an old batch when the shard is well', async () => {
      const shard = await shardThat(() => ok);
      await queue.enqueue([newBatch('s0', { acceptedAtMs: Date.now() - 10_000 })]);
      laneTo(shard.url, { horizonMs: 5_000 });
      await statsWhen({ batches: 0, deadBatches: 0, delivered: { traces: 1 } });
    });

    it('clears an old backlog without asking the dead shard about every batch', async () => {
      const shard = await shardThat(() => ({ status: 503 }));
      const acceptedAtMs = Date.now() - 10_000;
      await queue.enqueue(Array.from({ length: 100 }, () => newBatch('s0', { acceptedAtMs })));
      laneTo(shard.url, { horizonMs: 5_000 });
      await statsWhen({ batches: 0, deadBatches: 100 });
      expect(shard.deliveries.length).toBeLessThan(20);
    });

    it('does not spin while the queue hands nothing out, and goes on after', async () => {
      const shard = await shardThat(() => ok);
      await enqueue(2);
      let calls = 0;
      let isBroken = true;
      const broken: BatchQueue = {
        ...queue,
        claim: async name => {
          calls += 1;
          if (isBroken) throw new Error('OOM command not allowed');
          return await queue.claim(name);
        },
      };
      const { lines, logger } = recordingLogger();
      const lane = createLane({
        shard: 's0',
        queue: broken,
        send: senderTo(shard.url).send,
        options: { ...quick, retryInitialMs: 50, retryMaxMs: 200 },
        clock: { now: Date.now },
        random: Math.random,
        logger,
      });
      parts.unshift(lane);
      await sleep(600);
      expect(calls).toBeGreaterThan(1);
      expect(calls).toBeLessThan(50);
      isBroken = false;
      await statsWhen({ batches: 0, delivered: { traces: 2 } });
      expect(lines.map(line => line.msg)).toEqual([
        'queue does not hand out batches',
        'queue hands out batches again',
      ]);
    });

    it('waits for sends in hand when it stops, and claims nothing more', async () => {
      const shard = await shardThat(() => ({ ...ok, afterMs: 100 }));
      await enqueue(6);
      const lane = laneTo(shard.url, { concurrency: 2, stopGraceMs: 2000 });
      await expect.poll(() => shard.deliveries.length, { interval: 5 }).toBe(2);
      await lane.stop();
      expect(await queue.stats('s0')).toMatchObject({ batches: 4, delivered: { traces: 2 } });
      await sleep(150);
      expect(shard.deliveries).toHaveLength(2);
    });

    it('gives back at once what a silent shard holds up when it stops', async () => {
      const shard = await shardThat(() => 'silence');
      await enqueue(6);
      const lane = laneTo(shard.url, { concurrency: 2, timeoutMs: 60_000, stopGraceMs: 50 });
      await expect.poll(() => shard.deliveries.length).toBe(2);
      const since = performance.now();
      await lane.stop();
      expect(performance.now() - since).toBeLessThan(1000);
      for (let index = 0; index < 6; index += 1) expect(await queue.claim('s0')).toBeDefined();
    });

    it('stops at once while it rests, and while it is idle', async () => {
      const lane = laneTo('http://127.0.0.1:1', { retryInitialMs: 60_000, retryMaxMs: 60_000 });
      await enqueue(1);
      await sleep(100);
      const idle = createLane({
        shard: 'other',
        queue,
        send: senderTo('http://127.0.0.1:1').send,
        options: { ...quick, idlePollMs: 60_000 },
        clock: { now: Date.now },
        random: Math.random,
        logger: silent,
      });
      await sleep(20);
      const since = performance.now();
      await Promise.all([lane.stop(), idle.stop()]);
      expect(performance.now() - since).toBeLessThan(500);
    });
  });
});
