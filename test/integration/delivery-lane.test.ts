import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LaneOptions, LaneParts } from '../../src/ingest/delivery/lane.ts';
import { createShardSender } from '../../src/ingest/delivery/shard-sender.ts';
import type { BatchQueue, ClaimOrder } from '../../src/ingest/queue/batch-queue.ts';
import { exportResponse } from '../../src/shared/otlp/responses.ts';
import { systemClock } from '../../src/shared/time.ts';
import { newBatch } from '../conformance/new-batch.ts';
import { type Harness, recordingEvents, recordingLogger, startHarness } from '../support/delivery-harness.ts';
import { type Answers, ok, startStubOtlpShard } from '../support/stub-otlp-shard.ts';

describe('a lane', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await startHarness();
  });
  afterEach(() => harness.stop());

  const shardThat = async (answer: Answers) => harness.use(await startStubOtlpShard(answer));

  interface Settings
    extends Partial<LaneOptions>,
      Partial<Pick<LaneParts, 'queue' | 'logger' | 'events' | 'clock'>> {
    readonly timeoutMs?: number;
  }

  function laneTo(baseUrl: string, settings: Settings = {}) {
    const { timeoutMs = 2000, queue, logger, events, clock, ...options } = settings;
    const sender = harness.use(
      createShardSender({ shard: 's0', kind: 'embedded', baseUrl, timeoutMs, clock: systemClock }),
    );
    const given = {
      ...(queue && { queue }),
      ...(logger && { logger }),
      ...(events && { events }),
      ...(clock && { clock }),
    };
    return harness.lane(sender.send, given, options);
  }

  it('delivers what is there and what comes, every batch once', async () => {
    const early = await harness.enqueue(3);
    const shard = await shardThat(() => ok);
    laneTo(shard.url);
    const late = await harness.enqueue(20);
    await harness.statsWhen({ batches: 0, delivered: { traces: 23 } });
    expect(shard.ids().toSorted()).toEqual([...early, ...late].map(batch => batch.id).toSorted());
  });

  it('sends as many at once as it may, and no more', async () => {
    const shard = await shardThat(() => ({ ...ok, afterMs: 20 }));
    await harness.enqueue(12);
    laneTo(shard.url, { concurrency: 3 });
    await harness.statsWhen({ batches: 0 });
    expect(shard.atOnce.most).toBe(3);
  });

  it('tells every attempt, and what became of it', async () => {
    const shard = await shardThat((_, count) => (count === 1 ? { status: 500 } : ok));
    const { sent, dead, events } = recordingEvents();
    await harness.enqueue([newBatch('s0', { signal: 'logs', records: 7 })]);
    laneTo(shard.url, { events });
    await harness.statsWhen({ batches: 0 });
    const common = { shard: 's0', signal: 'logs', records: 7, durationSeconds: expect.any(Number) };
    expect(sent).toEqual([
      { ...common, outcome: 'retry' },
      { ...common, outcome: 'delivered' },
    ]);
    expect(dead).toEqual([]);
  });

  it('tells of records that the shard refuses out of a batch that it takes', async () => {
    const body = exportResponse(
      'traces',
      { kind: 'accepted', rejected: 2, message: '2 × no span id' },
      'protobuf',
    );
    const shard = await shardThat(() => ({ status: 200, body }));
    const { refused, events } = recordingEvents();
    const { lines, logger } = recordingLogger();
    await harness.enqueue([newBatch('s0', { records: 7 }), newBatch('s0', { records: 7 })]);
    laneTo(shard.url, { events, logger });
    await harness.statsWhen({ batches: 0, delivered: { traces: 14 }, deadLettered: { traces: 0 } });
    const event = { shard: 's0', signal: 'traces', records: 2 };
    expect(refused).toEqual([event, event]);
    expect(lines).toMatchObject([{ ...event, message: '2 × no span id' }]);
  });

  describe('looks for work', () => {
    it('at once when this process enqueues', async () => {
      const shard = await shardThat(() => ok);
      laneTo(shard.url, { idlePollMs: 60_000 });
      await sleep(50);
      const since = performance.now();
      await harness.enqueue(1);
      await harness.statsWhen({ batches: 0 });
      expect(performance.now() - since).toBeLessThan(5000);
    });

    it('and leaves no listener behind when it is stopped', async () => {
      const shard = await shardThat(() => ok);
      let listeners = 0;
      const counted: BatchQueue = {
        ...harness.queue,
        onEnqueued(listener) {
          listeners += 1;
          const end = harness.queue.onEnqueued(listener);
          return () => {
            listeners -= 1;
            end();
          };
        },
      };
      const lane = laneTo(shard.url, { queue: counted });
      expect(listeners).toBe(1);
      await lane.stop();
      expect(listeners).toBe(0);
    });

    it('from time to time for what other processes enqueue, more rarely while there is none', async () => {
      const shard = await shardThat(() => ok);
      let looks = 0;
      const deaf: BatchQueue = {
        ...harness.queue,
        onEnqueued: () => () => undefined,
        claim: (...of) => {
          looks += 1;
          return harness.queue.claim(...of);
        },
      };
      laneTo(shard.url, { queue: deaf, idlePollMs: 10, idlePollMaxMs: 400 });
      await sleep(1200);
      // 10 + 20 + 40 + … + 400 + 400, each at most halved by chance; evenly every 10 ms there would be 120.
      expect(looks).toBeLessThan(20);
      await harness.enqueue(1);
      await harness.statsWhen({ batches: 0 });
    });

    it('asks for the newest mostly, and for the oldest often enough that the backlog moves', async () => {
      const orders: ClaimOrder[] = [];
      const watched: BatchQueue = {
        ...harness.queue,
        claim: (shard, order) => {
          orders.push(order);
          return harness.queue.claim(shard, order);
        },
      };
      const shard = await shardThat(() => ok);
      await harness.enqueue(40);
      laneTo(shard.url, { queue: watched });
      await harness.statsWhen({ batches: 0 });
      const oldest = orders.filter(order => order === 'oldest').length;
      expect(oldest).toBe(Math.floor(orders.length / 4));
    });

    it('so that fresh batches do not wait behind a backlog, nor the backlog for ever behind them', async () => {
      const hourAgo = Date.now() - 3_600_000;
      const backlog = Array.from({ length: 60 }, (_, index) =>
        newBatch('s0', { acceptedAtMs: hourAgo + index }),
      );
      await harness.enqueue(backlog);
      const fresh = await harness.enqueue(60);
      const shard = await shardThat(() => ok);
      laneTo(shard.url, { concurrency: 1 });
      await harness.statsWhen({ batches: 0 });
      const isFresh = new Set(fresh.map(({ id }) => id));
      const freshOfFirst = shard
        .ids()
        .slice(0, 60)
        .filter(id => isFresh.has(id)).length;
      expect(freshOfFirst).toBe(45);
    });

    it('without spinning while the queue hands nothing out, and goes on after', async () => {
      const shard = await shardThat(() => ok);
      await harness.enqueue(2);
      let calls = 0;
      let isBroken = true;
      const broken: BatchQueue = {
        ...harness.queue,
        claim: (...of) => {
          calls += 1;
          return isBroken ? Promise.reject(new Error('OOM command not allowed')) : harness.queue.claim(...of);
        },
      };
      const { lines, logger } = recordingLogger();
      laneTo(shard.url, { queue: broken, logger, retryInitialMs: 50, retryMaxMs: 200 });
      await sleep(600);
      expect(calls).toBeGreaterThan(1);
      expect(calls).toBeLessThan(50);
      isBroken = false;
      await harness.statsWhen({ batches: 0, delivered: { traces: 2 } });
      expect(lines.map(line => line.msg)).toEqual([
        'queue does not hand out batches',
        'queue hands out batches again',
      ]);
    });
  });

  it('settles again what the queue did not, instead of sending it again', async () => {
    const shard = await shardThat(() => ok);
    let failures = 2;
    const flaky: BatchQueue = {
      ...harness.queue,
      ack: claim => {
        failures -= 1;
        return failures >= 0 ? Promise.reject(new Error('no answer')) : harness.queue.ack(claim);
      },
    };
    await harness.enqueue(1);
    laneTo(shard.url, { queue: flaky });
    await harness.statsWhen({ batches: 0, delivered: { traces: 1 } });
    expect(shard.deliveries).toHaveLength(1);
  });

  it('H9: of a failing shard does not make what other shards have be sent again', async () => {
    const broken = await shardThat(() => ({ status: 500 }));
    const healthy = await shardThat(() => ok);
    // What one request became: a batch for each shard it touches.
    await harness.enqueue([newBatch('s0'), newBatch('s1')]);
    laneTo(broken.url);
    const sender = harness.use(
      createShardSender({
        shard: 's1',
        kind: 'embedded',
        baseUrl: healthy.url,
        timeoutMs: 2000,
        clock: systemClock,
      }),
    );
    harness.lane(sender.send, { shard: 's1' });
    await expect.poll(() => broken.deliveries.length).toBeGreaterThan(3);
    expect(healthy.deliveries).toHaveLength(1);
    expect(await harness.queue.stats('s1')).toMatchObject({ batches: 0, delivered: { traces: 1 } });
    expect(await harness.queue.stats('s0')).toMatchObject({ batches: 1, delivered: { traces: 0 } });
  });

  describe('when the shard does not take batches', () => {
    it('retries until it does, and says so once each way', async () => {
      let isUp = false;
      const shard = await shardThat(() => (isUp ? ok : { status: 503 }));
      const { lines, logger } = recordingLogger();
      await harness.enqueue(10);
      laneTo(shard.url, { logger });
      await sleep(400);
      expect(await harness.queue.stats('s0')).toMatchObject({ batches: 10, deadBatches: 0 });
      isUp = true;
      await harness.statsWhen({ batches: 0, delivered: { traces: 10 } });
      expect(lines.map(({ level, msg }) => ({ level, msg }))).toEqual([
        { level: 40, msg: 'shard does not take batches; they wait in the queue' },
        { level: 30, msg: 'shard takes batches again' },
      ]);
    });

    it('sends one probe at a time, ever more rarely, and shows it', async () => {
      let isUp = true;
      const shard = await shardThat(() => (isUp ? ok : { status: 503, afterMs: 5 }));
      const lane = laneTo(shard.url, { concurrency: 8, retryInitialMs: 40, retryMaxMs: 400 });
      expect(lane.state()).toEqual({
        breaker: 'closed',
        concurrency: 8,
        inFlight: 0,
        lastFailure: undefined,
      });
      isUp = false;
      await harness.enqueue(50);
      await expect.poll(() => lane.state().breaker).not.toBe('closed');
      // What was sent before that may still be on its way.
      await expect.poll(() => [lane.state().inFlight, shard.atOnce.now]).toEqual([0, 0]);
      shard.atOnce.most = 0;
      const before = shard.deliveries.length;
      await sleep(1000);
      expect(shard.atOnce.most).toBeLessThanOrEqual(1);
      // Pauses of 0 to 400 ms: about five, never near the hundreds that fifty batches could make.
      expect(shard.deliveries.length - before).toBeLessThan(25);
      expect(lane.state()).toMatchObject({ concurrency: 1, lastFailure: { reason: 'HTTP 503' } });
      isUp = true;
      await harness.statsWhen({ batches: 0 });
      await expect.poll(() => lane.state()).toMatchObject({ breaker: 'closed', inFlight: 0 });
      expect(lane.state().concurrency).toBeGreaterThan(1);
    });

    it('rests as long as the shard asks for', async () => {
      const shard = await shardThat((_, count) =>
        count === 1 ? { status: 429, headers: { 'retry-after': '1' } } : ok,
      );
      await harness.enqueue(3);
      const since = performance.now();
      laneTo(shard.url, { concurrency: 1 });
      await harness.statsWhen({ batches: 0 });
      expect(performance.now() - since).toBeGreaterThan(950);
    });

    it('goes on past one batch that it cannot store', async () => {
      const batches = await harness.enqueue(20);
      const poison = batches[3]?.id;
      const shard = await shardThat(delivery =>
        delivery.headers['otelfan-batch-id'] === poison ? { status: 500 } : ok,
      );
      laneTo(shard.url);
      await harness.statsWhen({ batches: 1, delivered: { traces: 19 } });
    });
  });

  it('goes on as soon as ever when the time is set back while its shard is down', async () => {
    let aheadMs = 3_600_000;
    let isDown = true;
    const shard = await shardThat(() => (isDown ? { status: 503 } : ok));
    await harness.enqueue(2);
    const lane = laneTo(shard.url, { clock: { now: () => Date.now() + aheadMs } });
    await expect.poll(() => lane.state().breaker).toBe('open');
    aheadMs = 0;
    isDown = false;
    await harness.statsWhen({ batches: 0, delivered: { traces: 2 } });
  });

  describe('past the horizon', () => {
    const oldBatch = () => newBatch('s0', { acceptedAtMs: Date.now() - 10_000 });

    it('makes dead letters of what it could not deliver, only then', async () => {
      const shard = await shardThat(() => ({ status: 503 }));
      const [old, young] = [oldBatch(), newBatch('s0')];
      const { dead, events } = recordingEvents();
      await harness.enqueue([old, young]);
      laneTo(shard.url, { events, horizonMs: 5_000, horizonTriedMs: 200 });
      await harness.statsWhen({ batches: 1, deadBatches: 1 });
      expect((await harness.queue.stats('s0')).oldestAcceptedAtMs).toBe(young.acceptedAtMs);
      expect(await harness.deadLetters()).toMatchObject([
        { id: old.id, reason: 'not delivered within 5000 ms; last: HTTP 503' },
      ]);
      await expect.poll(() => dead).toEqual([{ shard: 's0', signal: 'traces', records: 1 }]);
    });

    it('makes none of what fails at first after a long stop', async () => {
      const shard = await shardThat((_, count) => (count <= 6 ? { status: 503 } : ok));
      await harness.enqueue([oldBatch(), oldBatch()]);
      laneTo(shard.url, { horizonMs: 5_000, horizonTriedMs: 60_000 });
      await harness.statsWhen({ batches: 0, deadBatches: 0, delivered: { traces: 2 } });
    });

    it('still tries when the shard is well', async () => {
      const shard = await shardThat(() => ok);
      await harness.enqueue([oldBatch()]);
      laneTo(shard.url, { horizonMs: 5_000 });
      await harness.statsWhen({ batches: 0, deadBatches: 0, delivered: { traces: 1 } });
    });

    it('clears an old backlog without asking the dead shard about every batch', async () => {
      const shard = await shardThat(() => ({ status: 503 }));
      await harness.enqueue(Array.from({ length: 100 }, oldBatch));
      laneTo(shard.url, { horizonMs: 5_000, horizonTriedMs: 300 });
      await harness.statsWhen({ batches: 0, deadBatches: 100 });
      expect(shard.deliveries.length).toBeLessThan(50);
    });
  });

  describe('when it stops', () => {
    it('waits for sends in hand, and claims nothing more', async () => {
      const shard = await shardThat(() => ({ ...ok, afterMs: 100 }));
      await harness.enqueue(6);
      const lane = laneTo(shard.url, { concurrency: 2, stopGraceMs: 2000 });
      await expect.poll(() => shard.deliveries.length, { interval: 5 }).toBe(2);
      await lane.stop();
      expect(await harness.queue.stats('s0')).toMatchObject({ batches: 4, delivered: { traces: 2 } });
      await sleep(150);
      expect(shard.deliveries).toHaveLength(2);
    });

    it('gives back at once what a silent shard holds up', async () => {
      const shard = await shardThat(() => 'silence');
      await harness.enqueue(6);
      const lane = laneTo(shard.url, { concurrency: 2, timeoutMs: 60_000, stopGraceMs: 50 });
      await expect.poll(() => shard.deliveries.length).toBe(2);
      const since = performance.now();
      await lane.stop();
      expect(performance.now() - since).toBeLessThan(5000);
      for (let index = 0; index < 6; index += 1) {
        expect(await harness.queue.claim('s0', 'oldest')).toBeDefined();
      }
    });

    it('does so at once while it rests, and while it is idle', async () => {
      const resting = laneTo('http://127.0.0.1:1', { retryInitialMs: 60_000, retryMaxMs: 60_000 });
      await harness.enqueue(3);
      await expect.poll(() => resting.state().breaker).toBe('open');
      const idle = harness.lane(
        () => Promise.resolve({ kind: 'delivered' }),
        { shard: 'other' },
        {
          idlePollMs: 60_000,
        },
      );
      await sleep(20);
      const since = performance.now();
      await Promise.all([resting.stop(), idle.stop()]);
      expect(performance.now() - since).toBeLessThan(5000);
    });
  });
});
