import { describe, expect, it } from 'vitest';
import { parseMetrics, sumOf } from '../support/metrics.ts';
import {
  type HarnessOptions,
  type QueryHarness,
  type StubBehaviour,
  startOverStubs,
} from '../support/query-harness.ts';
import { answers, type StubShard, service } from '../support/stub-shard.ts';

const row = (body: string) => ({ key: ['2', '2', '', '', body], row: { body } });
const healthy = answers([row('b')]);

let shards: StubShard[];
let query: QueryHarness;

async function start(options: HarnessOptions, ...behaviours: StubBehaviour[]): Promise<void> {
  ({ shards, query } = await startOverStubs(behaviours, { timeoutMs: 20_000, ...options }));
}

/** Shards that answer only when they are let. */
function holding(answer = healthy): { behaviour: StubBehaviour; release: () => void } {
  const released = Promise.withResolvers<void>();
  const behaviour: StubBehaviour = (...call) => void released.promise.then(() => answer(...call));
  return { behaviour, release: () => released.resolve() };
}

const askedOf = (count: number) =>
  expect.poll(() => shards.reduce((sum, { reads }) => sum + reads.length, 0)).toBe(count);

describe('queries at once', () => {
  it('are bounded: the next waits, and one more is a 503 that names the settings and says when to come back', async () => {
    const { behaviour, release } = holding();
    await start({ limits: { maxConcurrent: 2, maxWaiting: 1 } }, behaviour);
    const running = [query.get('/api/v1/logs'), query.get('/api/v1/logs')];
    await askedOf(2);
    const waiting = query.get('/api/v1/logs');
    await expect.poll(async () => (await query.get('/metrics')).text).toMatch(/^otelfan_query_waiting 1$/m);
    const { status, headers, body } = await query.get('/api/v1/logs');
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    expect(body).toEqual({
      error: 'too many queries: 2 are in hand (query.maxConcurrent) and 1 wait (query.maxWaiting)',
    });
    expect((await query.get('/metrics')).text).toMatch(
      /^otelfan_query_refusals_total{setting="query.maxWaiting"} 1$/m,
    );
    expect(shards[0]?.reads).toHaveLength(2);
    release();
    for (const reply of await Promise.all([...running, waiting]))
      expect(reply.body).toMatchObject({ count: 1 });
  });

  it('count blobs, whose answers are held as well', async () => {
    const { behaviour, release } = holding();
    await start({ limits: { maxConcurrent: 1, maxWaiting: 0 } }, behaviour);
    const running = query.get('/api/v1/logs');
    await askedOf(1);
    const { status, headers, body } = await query.get(`/api/v1/blobs/${'0'.repeat(64)}`);
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    expect(body.error).toMatch(/^too many queries: 1 are in hand/);
    release();
    await running;
  });

  it('do not count bad questions, health or metrics', async () => {
    const { behaviour, release } = holding();
    await start({ limits: { maxConcurrent: 1, maxWaiting: 0 } }, behaviour);
    const running = query.get('/api/v1/logs');
    await askedOf(1);
    expect((await query.get('/api/v1/logs?severity=loud')).status).toBe(400);
    expect((await query.get('/healthz')).status).toBe(200);
    expect((await query.get('/readyz')).status).toBe(200);
    expect((await query.get('/metrics')).status).toBe(200);
    release();
    expect((await running).status).toBe(200);
  });

  it('wait for half of their time at most', async () => {
    const { behaviour, release } = holding();
    await start({ limits: { maxConcurrent: 1, maxWaiting: 5 } }, behaviour);
    const running = query.get('/api/v1/logs');
    await askedOf(1);
    const { status, body } = await query.get('/api/v1/logs?timeout=40ms');
    expect(status).toBe(503);
    expect(body.error).toBe(
      'too many queries: 1 are in hand (query.maxConcurrent), and none ended within 20 ms',
    );
    release();
    await running;
  });
});

describe('what all queries hold together', () => {
  const large = 'x'.repeat(3000);
  const LARGE: Record<string, StubBehaviour> = {
    '/api/v1/services': answers([service(large)]),
    '/api/v1/logs': answers([row(large)]),
    '/api/v1/sql?shard=s0&q=SELECT': response => response.end(`{"rows":["${large}","${large}"],"count":2}`),
    [`/api/v1/blobs/${'0'.repeat(64)}`]: response => response.end(large + large),
  };

  it.each(Object.entries(LARGE))(
    'is bounded: %s would exceed it and is a 503 that names the setting, the others go on',
    async (path, gives) => {
      const { behaviour, release } = holding(answers([service('small')]));
      let isFirst = true;
      await start(
        { limits: { maxHeldBytes: 9000 } },
        (...call) => {
          if (isFirst) answers([service(large)])(...call);
          else gives(...call);
        },
        (...call) => {
          if (isFirst) behaviour(...call);
          else healthy(...call);
        },
      );
      const running = query.get('/api/v1/services');
      const metrics = async () => parseMetrics((await query.get('/metrics')).text);
      await expect
        .poll(async () => sumOf(await metrics(), 'otelfan_query_held_bytes'))
        .toBeGreaterThan(large.length);
      isFirst = false;
      const { status, headers, body } = await query.get(path);
      expect(status).toBe(503);
      expect(headers.get('retry-after')).toBe('1');
      expect(body).toEqual({
        error:
          'too much is held: the answers of all queries would be larger than query.maxHeldBytes (9000 bytes)',
      });
      release();
      expect(await running).toMatchObject({ status: 200, body: { partial: false } });
      await expect.poll(async () => sumOf(await metrics(), 'otelfan_query_held_bytes')).toBe(0);
      const refused = { setting: 'query.maxHeldBytes' };
      expect(sumOf(await metrics(), 'otelfan_query_refusals_total', refused)).toBe(1);
      isFirst = true;
      expect((await query.get('/api/v1/services')).status).toBe(200);
    },
  );
});

describe('what a read may take', () => {
  it('is bounded in rows', async () => {
    await start({ limits: { maxRows: 5 } }, healthy);
    const { status, body } = await query.get('/api/v1/logs?limit=6');
    expect(status).toBe(400);
    expect(body.error).toBe('bad limit "6": expected a whole number from 0 to 5 (query.maxRows)');
  });

  it('is bounded in bytes of all shards together', async () => {
    const large = answers([service('x'.repeat(3000))]);
    await start({ limits: { maxAnswerBytes: 8000 } }, large, large);
    const { status, body } = await query.get('/api/v1/services');
    expect(status).toBe(413);
    expect(body.error).toBe(
      "the shards' answers are larger than query.maxAnswerBytes (8000 bytes): lower the limit or narrow the window",
    );
  });

  it('is bounded in groups', async () => {
    await start({ limits: { maxGroups: 2 } }, answers(['a', 'b', 'c'].map(service)));
    const reply = await query.get('/api/v1/services');
    expect(reply.status).toBe(413);
    expect(reply.body.error).toBe('a shard has 3 services, more than query.maxGroups (2)');
  });

  it.each(['/api/v1/traces', '/api/v1/logs', '/api/v1/metrics'])('is bounded in time: %s', async path => {
    await start({ limits: { maxWindowMs: 3_600_000 } }, answers([]));
    expect((await query.get(`${path}?last=1h`)).status).toBe(200);
    const { status, body } = await query.get(`${path}?last=61m`);
    expect(status).toBe(400);
    expect(body.error).toBe('bad last "61m": expected at most 3600s (query.maxWindow)');
    expect((await query.get(path)).status).toBe(200);
  });

  it.each(['/api/v1/services', '/api/v1/comments', '/api/v1/evals/runs'])(
    'is not bounded in time where there is no window to name: %s',
    async path => {
      await start({ limits: { maxWindowMs: 3_600_000 } }, answers([]));
      expect((await query.get(`${path}?last=61m&baseline=7h`)).status).toBe(200);
    },
  );

  it('is bounded in time when no window is named where there is one', async () => {
    await start({ limits: { maxWindowMs: 1_800_000 } }, answers([]));
    expect((await query.get('/api/v1/summary')).body).toMatchObject({ window_seconds: 1800 });
    expect((await query.get('/api/v1/anomalies?last=10m')).body).toMatchObject({
      current_seconds: 600,
      baseline_seconds: 1800,
    });
  });
});

it('a range of PromQL is bounded in time, too', async () => {
  await start({ limits: { maxWindowMs: 3_600_000 } }, answers([]));
  const rate = (range: string) => query.get(`/api/v1/metrics/query?query=sum(rate(x[${range}]))`);
  expect((await rate('1h')).status).toBe(200);
  const { status, body } = await rate('61m');
  expect(status).toBe(400);
  expect(body.error).toBe('bad range "3660s": expected at most 3600s (query.maxWindow)');
});

describe('a blob', () => {
  const path = `/api/v1/blobs/${'0'.repeat(64)}`;

  it('is waited for no longer than the request says', async () => {
    await start({}, () => {});
    const { status, body } = await query.get(`${path}?timeout=100ms`);
    expect(status).toBe(503);
    expect(body.error).toContain('s0 (no answer within 90 ms)');
    expect((await query.get(`${path}?timeout=soon`)).status).toBe(400);
  });
});

describe('D10: a duration that no date can be taken from', () => {
  const BAD = [
    '99999999d',
    '9223372036854775807d',
    '18446744073709551616s',
    '-5m',
    '1.5h',
    '500ms',
    '1w',
    '5 m',
    '1h30m',
    '',
  ];

  it.each(['/api/v1/traces', '/api/v1/logs', '/api/v1/metrics'])(
    'is refused before any shard is asked, and the next question is answered: %s',
    async path => {
      await start({}, answers([]));
      for (const last of BAD) {
        const { status, body } = await query.get(`${path}?last=${encodeURIComponent(last)}`);
        expect(status, last).toBe(400);
        expect(body.error).toBe(
          `bad last ${JSON.stringify(last)}: expected a whole number with s, m, h or d (15m, 24h), or bare seconds`,
        );
      }
      expect(shards[0]?.reads).toEqual([]);
      expect((await query.get(`${path}?last=365000d`)).status).toBe(200);
    },
  );

  it.each(['0', '1', '-1s', '99999999999999d', '1.5s', 'soon'])(
    'is refused as a timeout: %s',
    async timeout => {
      await start({}, answers([]));
      const { status, body } = await query.get(`/api/v1/logs?timeout=${timeout}`);
      expect(status).toBe(400);
      expect(body.error).toMatch(/^bad timeout ".+": expected a whole number above 0 with ms, s, m, h or d/);
    },
  );
});

describe('D26: what is internal', () => {
  it.each([
    ['GET', '/internal/v1/reads/logs'],
    ['POST', '/internal/v1/reads/logs'],
    ['POST', '/internal/v1/writes/comments'],
    ['POST', '/internal/wal/records'],
    ['GET', '/internal/cluster'],
    ['PUT', `/internal/v1/blobs/${'0'.repeat(64)}`],
    ['POST', '/%69nternal/v1/reads/logs'],
    ['POST', '/api/../internal/v1/reads/logs'],
    ['POST', '//internal/v1/reads/logs'],
    ['POST', '/INTERNAL/v1/reads/logs'],
  ])('is not there on the public port, and reaches no shard: %s %s', async (method, path) => {
    await start({}, healthy);
    const init = method === 'GET' ? {} : { method, body: '{}' };
    const { status, body } = await query.get(path, init);
    expect(status).toBe(404);
    expect(body.error).toMatch(/^no such path: /);
    expect(shards[0]?.reads).toEqual([]);
  });
});
