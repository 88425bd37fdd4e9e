import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, describe, expect, it } from 'vitest';
import { type BlackHole, startBlackHole } from '../support/black-hole.ts';
import { type QueryHarness, type StubBehaviour, startQuery, startShards } from '../support/query-harness.ts';
import { answers, ndjson, type StubShard, service, shardSpec } from '../support/stub-shard.ts';

const ROWS = [{ key: ['2', '2', '', '', 'b'], row: { body: 'b' } }];
const healthy = answers(ROWS);
const hung: StubBehaviour = () => {};
const says =
  (body: string, status = 200): StubBehaviour =>
  response =>
    void response.writeHead(status).end(body);

let shards: StubShard[] = [];
let query: QueryHarness;
let hole: BlackHole | undefined;

type Options = Parameters<typeof startQuery>[1];

async function start(options: Options, ...behaviours: StubBehaviour[]): Promise<void> {
  shards = await startShards(...behaviours);
  query = await startQuery(
    shards.map(shard => shard.spec),
    options,
  );
}

afterEach(async () => {
  await query.stop();
  await Promise.all(shards.map(shard => shard.stop()));
  await hole?.stop();
  hole = undefined;
});

const failuresIn = ({ body }: Awaited<ReturnType<QueryHarness['get']>>) =>
  (body.shards as { failed: { id: string; reason: string }[] }).failed;

describe('the phases of a call', () => {
  it('end at the limit of connecting, to a machine that is gone', async () => {
    hole = await startBlackHole();
    shards = await startShards(healthy);
    query = await startQuery([shards[0]?.spec ?? shardSpec('s0', 1), shardSpec('s1', hole.port)], {
      timeoutMs: 20_000,
      calls: { connectTimeoutMs: 50 },
    });
    const reply = await query.get('/api/v1/logs');
    expect(reply.body).toMatchObject({ count: 1, partial: true });
    expect(failuresIn(reply)).toMatchObject([{ id: 's1', reason: 'no connection within 50 ms' }]);
  });

  it('end at the limit of the first byte', async () => {
    await start({ timeoutMs: 20_000, calls: { firstByteTimeoutMs: 50 } }, healthy, hung);
    expect(failuresIn(await query.get('/api/v1/logs'))).toMatchObject([
      { id: 's1', reason: 'no answer begun within 50 ms' },
    ]);
    await shards[1]?.cancelled;
  });

  it('end at the limit of a pause in the middle of an answer', async () => {
    const stalls: StubBehaviour = response => void response.write(ndjson(ROWS).slice(0, 20));
    await start({ timeoutMs: 20_000, calls: { idleTimeoutMs: 50 } }, healthy, stalls);
    expect(failuresIn(await query.get('/api/v1/logs'))).toMatchObject([
      { id: 's1', reason: 'answer stalled for 50 ms' },
    ]);
    await shards[1]?.cancelled;
  });

  it('do not end while a slow answer goes on', async () => {
    const drips: StubBehaviour = response => {
      const pieces = ndjson(ROWS).match(/.{1,10}/gs) ?? [];
      const drip = () => {
        const piece = pieces.shift();
        if (piece !== undefined) response.write(piece);
        if (piece === undefined) response.end();
        else setTimeout(drip, 30);
      };
      drip();
    };
    await start({ timeoutMs: 20_000, calls: { idleTimeoutMs: 1_000 } }, drips);
    expect((await query.get('/api/v1/logs')).body).toMatchObject({ count: 1, partial: false });
  });
});

describe('H1: shards are asked at the same time', () => {
  it('and one that is gone costs the deadline, not more, and only its own data', async () => {
    hole = await startBlackHole();
    shards = await startShards(healthy, hung);
    const gone = shardSpec('s2', hole.port);
    query = await startQuery([...shards.map(shard => shard.spec), gone, { ...gone, id: 's3' }], {
      timeoutMs: 400,
      calls: { connectTimeoutMs: 60_000 },
    });
    const reply = await query.get('/api/v1/logs');
    expect(reply.body).toMatchObject({ count: 1, partial: true, shards: { total: 4, ok: 1 } });
    expect(failuresIn(reply)).toMatchObject(
      ['s1', 's2', 's3'].map(id => ({ id, reason: 'no answer within 360 ms' })),
    );
    // One after the other they would take three times as long.
    expect(reply.elapsedMs).toBeLessThan(2 * 400);
  });
});

describe('H2: slow queries', () => {
  // Other processes may hold up this one; a query that blocks it does so every time.
  it('do not hold up the process: its event loop is at most 50 ms late with 16 of them', {
    retry: 5,
  }, async () => {
    const release = Promise.withResolvers<void>();
    const slow: StubBehaviour = (...call) => void release.promise.then(() => healthy(...call));
    await start({ timeoutMs: 20_000 }, slow, slow, slow, slow);
    await query.get('/healthz');
    const delay = monitorEventLoopDelay({ resolution: 5 });
    const waiting = Array.from({ length: 16 }, () => query.get('/api/v1/logs'));
    await expect.poll(() => shards.reduce((sum, { reads }) => sum + reads.length, 0)).toBe(64);
    delay.enable();
    for (let probe = 0; probe < 20; probe++) {
      expect((await query.get('/healthz')).status).toBe(200);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
    delay.disable();
    release.resolve();
    for (const { body } of await Promise.all(waiting)) expect(body).toMatchObject({ partial: false });
    expect(delay.count).toBeGreaterThan(10);
    expect(delay.max / 1e6).toBeLessThanOrEqual(50);
  });
});

describe('the breaker of an address', () => {
  const READS_TO_OPEN = 3;

  async function read(times: number): Promise<{ id: string; reason: string }[]> {
    let failed: { id: string; reason: string }[] = [];
    for (let time = 0; time < times; time++) failed = failuresIn(await query.get('/api/v1/logs'));
    return failed;
  }

  it('opens when nobody is there, says since when and why, and closes with the first answer', async () => {
    let nowMs = Date.parse('2026-01-02T03:04:05.678Z');
    const clock = { now: () => nowMs };
    await start({ clock, steady: clock, random: () => 1 }, healthy, healthy);
    const away = shards[1] as StubShard;
    await away.stop();
    expect(await read(1)).toMatchObject([{ id: 's1', reason: 'connection failed (ECONNREFUSED)' }]);
    const why =
      'not asked since 2026-01-02T03:04:05.678Z, when calls kept failing: connection failed (ECONNREFUSED)';
    expect(await read(READS_TO_OPEN)).toMatchObject([{ id: 's1', reason: why }]);
    // The probe finds nobody either, and the reason stays that of the beginning.
    nowMs += 60_000;
    expect(await read(2)).toMatchObject([{ id: 's1', reason: why }]);
    shards.pop();
  });

  it('lets one probe go when the pause is over, also when the time was set back, and all when it was answered', async () => {
    let nowMs = 3_600_000;
    let steadyMs = 0;
    let isDown = true;
    const comesBack: StubBehaviour = (response, request, read) => {
      if (isDown) request.socket.destroy();
      else healthy(response, request, read);
    };
    const steady = { now: () => steadyMs };
    await start({ clock: { now: () => nowMs }, steady, random: () => 1 }, healthy, comesBack);
    expect((await read(READS_TO_OPEN + 1))[0]?.reason).toMatch(/^not asked since 1970/);
    const asked = shards[1]?.reads.length;
    await read(3);
    expect(shards[1]?.reads.length).toBe(asked);
    isDown = false;
    nowMs -= 3_600_000;
    steadyMs += 60_000;
    expect(await read(1)).toEqual([]);
    expect(await read(3)).toEqual([]);
  });

  it.each<[string, StubBehaviour]>([
    ['400', says('{"error":"bad"}', 400)],
    ['404', says('{"error":"no"}', 404)],
    ['410', says('{"error":"gone","kind":"snapshot-gone"}', 410)],
    ['429', says('{"error":"slow down"}', 429)],
    ['500', says('{"error":"boom"}', 500)],
  ])('stays closed when a shard answers %s, however often', async (_status, behaviour) => {
    await start({}, healthy, behaviour);
    expect((await read(10))[0]?.reason).not.toMatch(/not asked/);
  });

  it('stays closed when callers wait too little for a slow shard', async () => {
    await start({ timeoutMs: 20_000 }, healthy, hung);
    for (let time = 0; time < 10; time++) {
      const [failure] = failuresIn(await query.get('/api/v1/logs?timeout=20ms'));
      expect(failure?.reason).toBe('no answer within 18 ms');
    }
  });

  it('opens when a shard takes connections and says nothing for the whole deadline, again and again', async () => {
    await start({ timeoutMs: 40 }, healthy, hung);
    const [failure] = await read(10);
    expect(failure?.reason).toMatch(
      /^not asked since .*, when calls kept failing: no answer within the deadline$/,
    );
  });
});

describe('what a shard says', () => {
  const OTHER_VERSION = '{"error":"read API v1 was asked for; this shard speaks v2"}';

  it.each<[string, StubBehaviour, string]>([
    [
      'an overload as unavailable',
      says('{"error":"too many reads wait already"}', 503),
      'shard unavailable: too many reads wait already',
    ],
    ['a 429 as unavailable', says('', 429), 'shard unavailable: answered 429'],
    [
      'another version by name',
      says(OTHER_VERSION, 404),
      'speaks read API v2 and not v1: shard and query proxy are of different versions',
    ],
    [
      'a cut with the setting',
      says(
        `${ndjson(ROWS, { truncated: true }).replace('"truncated":true', '"truncated":true,"truncatedBy":"shard.maxAnswerRows"')}`,
      ),
      'gave its first 1 rows only (shard.maxAnswerRows)',
    ],
  ])('is passed on: %s', async (_what, behaviour, reason) => {
    await start({}, healthy, behaviour);
    expect(failuresIn(await query.get('/api/v1/logs'))).toMatchObject([{ id: 's1', reason }]);
  });

  it('is passed on: an answer that is too large to be held, with the setting', async () => {
    await start({ calls: { maxAnswerBytes: 4096 } }, answers([]), answers([service('x'.repeat(5000))]));
    expect(failuresIn(await query.get('/api/v1/services'))).toMatchObject([
      { id: 's1', reason: 'answer is larger than query.maxShardAnswerBytes (4096 bytes)' },
    ]);
  });

  it('H6: is the answer when all find fault with the question: 400 with their words', async () => {
    const faulty = says('{"error":"limit: too big"}', 400);
    await start({}, faulty, faulty);
    expect(await query.get('/api/v1/logs')).toMatchObject({ status: 400, body: { error: 'limit: too big' } });
    expect(await query.get('/api/v1/logs?partial=false')).toMatchObject({ status: 400 });
  });

  it('H6: is the reason of a missing shard when others can answer the question', async () => {
    await start({}, healthy, says('{"error":"limit: too big"}', 400));
    const reply = await query.get('/api/v1/logs');
    expect(reply).toMatchObject({ status: 200, body: { count: 1, partial: true } });
    expect(failuresIn(reply)).toMatchObject([{ id: 's1', reason: 'limit: too big' }]);
  });
});
