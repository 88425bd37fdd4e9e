import { Agent, get as httpGet } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { type QueryHarness, type StubBehaviour, startQuery, startShards } from '../support/query-harness.ts';
import { answers, ndjson, type StubShard } from '../support/stub-shard.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const DEADLINE_MS = 400;
const TIMED_OUT = 'no answer within 360 ms';

let shards: StubShard[] = [];
let query: QueryHarness;

const start = (...behaviours: StubBehaviour[]) => startWithin({ timeoutMs: DEADLINE_MS }, ...behaviours);

async function startWithin(
  { timeoutMs }: { readonly timeoutMs: number },
  ...behaviours: StubBehaviour[]
): Promise<void> {
  shards = await startShards(...behaviours);
  query = await startQuery(
    shards.map(shard => shard.spec),
    { timeoutMs },
  );
}

afterEach(async () => {
  await query.stop();
  await Promise.all(shards.map(shard => shard.stop()));
});

const ROWS = [{ key: ['2', '2', '', '', 'b'], row: { body: 'b' } }];
const OTHER_ROWS = [{ key: ['1', '1', '', '', 'a'], row: { body: 'a' } }];
const healthy = answers(ROWS);

const hung: StubBehaviour = () => {};
const stalled: StubBehaviour = response => void response.write(ndjson(OTHER_ROWS).slice(0, 20));
const slow: StubBehaviour = response =>
  void setTimeout(() => response.end(ndjson(OTHER_ROWS)), 3 * DEADLINE_MS).unref();
const resetting: StubBehaviour = (_response, request) => void request.socket.destroy();
const says =
  (body: string, status = 200): StubBehaviour =>
  response =>
    void response.writeHead(status).end(body);
const cut: StubBehaviour = response => {
  response.writeHead(200, { 'content-length': 10_000 }).write(ndjson(OTHER_ROWS));
  setTimeout(() => response.destroy(), 20);
};

const drips: StubBehaviour = response => {
  const pieces = [...ndjson(OTHER_ROWS)];
  const drip = () => {
    if (response.destroyed) return;
    response.write(pieces.shift() ?? '\n');
    setTimeout(drip, DEADLINE_MS / 8);
  };
  drip();
};
const OTHER_VERSION = '{"error":"read API v1 was asked for; this shard speaks v2"}';

/** What ends only with the deadline does so long before any other limit of a call. */
const AT_DEADLINE = { timeoutMs: DEADLINE_MS, latestMs: 5_000 };
/** What can be told before is told long before the deadline. */
const AT_ONCE = { timeoutMs: 20_000, latestMs: 10_000 };
type When = typeof AT_ONCE;

const FAULTS: [what: string, fault: StubBehaviour, reason: string | RegExp, when: When][] = [
  ['hangs', hung, TIMED_OUT, AT_DEADLINE],
  ['stalls in the middle', stalled, TIMED_OUT, AT_DEADLINE],
  ['is too slow', slow, TIMED_OUT, AT_DEADLINE],
  ['sends its answer too slowly', drips, TIMED_OUT, AT_DEADLINE],
  ['closes the connection', resetting, /^connection failed \(\w+\)$/, AT_ONCE],
  ['cuts its answer off', cut, /^answer was cut off \(\w+\)$/, AT_ONCE],
  [
    'leaves out its trailer',
    says('{"k":["1","1","","","a"],"v":{}}\n'),
    'answer ended without its trailer',
    AT_ONCE,
  ],
  ['sends nothing', says(''), 'answer ended without its trailer', AT_ONCE],
  ['sends something else', says('<html>hello</html>\n'), 'sent a malformed row', AT_ONCE],
  ['lost rows', says(ndjson(OTHER_ROWS, { rows: 7 })), 'answer has 1 rows but its trailer says 7', AT_ONCE],
  ['sends garbage as a row', says(`garbage\n${ndjson([], { rows: 1 })}`), 'sent a malformed row', AT_ONCE],
  ['sends rows of another read', says(ndjson([{ key: ['1'], row: {} }])), /key does not fit/, AT_ONCE],
  ['sends rows out of order', says(ndjson([...OTHER_ROWS, ...ROWS])), 'sent rows out of order', AT_ONCE],
  ['fails', says('{"error":"Out of Memory"}', 500), 'answered 500: Out of Memory', AT_ONCE],
  ['is not ready', says('{"error":"starting"}', 503), 'shard unavailable: starting', AT_ONCE],
  ['knows no such read', says('Not Found', 404), 'answered 404: Not Found', AT_ONCE],
  ['redirects', says('', 302), 'answered 302', AT_ONCE],
  ['is overloaded', says('{"error":"slow down"}', 429), 'shard unavailable: slow down', AT_ONCE],
  ['refuses the question', says('{"error":"limit: expected less"}', 400), 'limit: expected less', AT_ONCE],
  [
    'is of another version',
    says(OTHER_VERSION, 404),
    'speaks read API v2 and not v1: shard and query proxy are of different versions',
    AT_ONCE,
  ],
];

describe('a shard that', () => {
  it.each(FAULTS)('%s costs only its own data, and is named', async (_what, fault, reason, when) => {
    await startWithin(when, healthy, fault);
    const { status, headers, body, elapsedMs } = await query.get('/api/v1/logs');
    expect(elapsedMs).toBeLessThan(when.latestMs);
    expect(status).toBe(200);
    expect(body).toEqual({
      logs: [{ body: 'b' }],
      count: 1,
      partial: true,
      shards: {
        total: 2,
        ok: 1,
        failed: [
          {
            id: 's1',
            reason: typeof reason === 'string' ? reason : expect.stringMatching(reason),
            elapsed_ms: expect.any(Number),
          },
        ],
      },
    });
    expect(headers.get('otelfan-partial')).toBe('true');
    expect(headers.get('otelfan-missing-shards')).toBe('s1');
  });

  it.each(FAULTS)('%s makes a strict read fail', async (_what, fault, _reason, when) => {
    await startWithin(when, healthy, fault);
    const { status, headers, body, elapsedMs } = await query.get('/api/v1/logs?partial=false');
    expect(elapsedMs).toBeLessThan(when.latestMs);
    expect(status).toBe(503);
    expect(body).toEqual({
      error: expect.stringMatching(/^partial=false and not every shard answered: .*s1 \(.+\)$/),
      partial: true,
      shards: { total: 2, ok: expect.any(Number), failed: expect.any(Array) },
    });
    expect(headers.get('otelfan-missing-shards')).toMatch(/^(s0,)?s1$/);
  });

  it('is down is missed at once', async () => {
    await startWithin(AT_ONCE, healthy, healthy);
    await shards[1]?.stop();
    const { status, body, elapsedMs } = await query.get('/api/v1/logs');
    expect(elapsedMs).toBeLessThan(AT_ONCE.latestMs);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      shards: { failed: [{ id: 's1', reason: 'connection failed (ECONNREFUSED)' }] },
    });
    shards.pop();
  });

  it('closed an idle connection is asked again on a new one', async () => {
    let calls = 0;
    await start((response, request, read) => (calls++ === 0 ? resetting : healthy)(response, request, read));
    expect((await query.get('/api/v1/logs')).body).toMatchObject({ count: 1, partial: false });
    expect(calls).toBe(2);
  });

  it('is draining is read like any other', async () => {
    shards = await startShards(healthy, answers(OTHER_ROWS));
    query = await startQuery(
      shards.map((shard, index) => ({ ...shard.spec, state: index === 0 ? 'active' : 'draining' })),
    );
    expect((await query.get('/api/v1/logs')).body).toMatchObject({ count: 2, partial: false });
  });

  it('has more than a few megabytes to say is heard to its end', async () => {
    const rows = Array.from({ length: 900 }, (_, index) => {
      const time = String(1000 - index).padStart(4, '0');
      return { key: [time, time, '', '', 'x'], row: { body: 'x'.repeat(10_000) } };
    });
    shards = await startShards(answers(rows));
    query = await startQuery(
      shards.map(shard => shard.spec),
      { timeoutMs: 20_000 },
    );
    const { body } = await query.get('/api/v1/logs?limit=1000');
    expect(body).toMatchObject({ count: 900, partial: false });
  });
});

describe('when shards are missing', () => {
  const traceRows = [{ key: ['1', 'a'], row: { span_id: 'a' } }];

  it('a trace that another shard holds is found, in part', async () => {
    await start(answers(traceRows), says('', 500));
    const { status, body } = await query.get(`/api/v1/traces/${TRACE_ID}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ span_count: 1, partial: true, shards: { failed: [{ id: 's1' }] } });
  });

  it('a trace that the others deny is not known to be absent', async () => {
    await start(answers([]), says('', 500));
    const { status, body } = await query.get(`/api/v1/traces/${TRACE_ID}`);
    expect(status).toBe(503);
    expect(body).toMatchObject({
      error: 'trace not found, but not every shard answered: s1 (answered 500)',
      partial: true,
      shards: { total: 2, ok: 1 },
    });
  });

  it('no answer at all is an error that names every shard', async () => {
    await start(says('', 500), hung);
    const { status, body } = await query.get('/api/v1/traces');
    expect(status).toBe(503);
    expect(body).toMatchObject({
      error: `no shard answered: s0 (answered 500), s1 (${TIMED_OUT})`,
      partial: true,
      shards: { total: 2, ok: 0, failed: [{ id: 's0' }, { id: 's1' }] },
    });
  });

  it('rows that a shard left out make the answer partial, with the rows that it gave', async () => {
    await start(says(ndjson(traceRows, { truncated: true })));
    const { status, body } = await query.get(`/api/v1/traces/${TRACE_ID}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      span_count: 1,
      partial: true,
      shards: { total: 1, ok: 0, failed: [{ id: 's0', reason: 'gave its first 1 rows only' }] },
    });
    expect((await query.get(`/api/v1/traces/${TRACE_ID}?partial=false`)).status).toBe(503);
  });

  it('a strict read fails at once and lets the other shards go', async () => {
    await startWithin(AT_ONCE, hung, says('', 500));
    const { status, body, elapsedMs } = await query.get('/api/v1/logs?partial=false');
    expect(status).toBe(503);
    expect(elapsedMs).toBeLessThan(AT_ONCE.latestMs);
    expect(body).toMatchObject({
      shards: {
        failed: [
          { id: 's0', reason: 'not waited for: s1 had failed' },
          { id: 's1', reason: 'answered 500' },
        ],
      },
    });
    await shards[0]?.cancelled;
  });

  it('a timeout of the request lowers the deadline', async () => {
    await startWithin(AT_ONCE, healthy, hung);
    const { body, elapsedMs } = await query.get('/api/v1/logs?timeout=500ms');
    expect(elapsedMs).toBeLessThan(AT_ONCE.latestMs);
    expect(body).toMatchObject({ shards: { failed: [{ reason: 'no answer within 450 ms' }] } });
    await shards[1]?.cancelled;
  });

  it('a timeout of the request does not raise the deadline', async () => {
    await start(healthy, hung);
    const { body } = await query.get('/api/v1/logs?timeout=1h');
    expect(body).toMatchObject({ shards: { failed: [{ reason: TIMED_OUT }] } });
  });

  it('nothing else waits: neither other reads nor what asks how the proxy is', async () => {
    const release = Promise.withResolvers<void>();
    await startWithin(AT_ONCE, healthy, (...call) => void release.promise.then(() => healthy(...call)));
    let answered = 0;
    const waiting = Array.from({ length: 30 }, async () => {
      const { body } = await query.get('/api/v1/logs');
      answered++;
      return body;
    });
    await expect.poll(() => shards[1]?.reads.length).toBe(30);
    expect((await query.get('/healthz')).status).toBe(200);
    expect((await query.get('/metrics')).status).toBe(200);
    const impatient = await query.get('/api/v1/logs?timeout=100ms');
    expect(impatient.body).toMatchObject({ count: 1, partial: true, shards: { failed: [{ id: 's1' }] } });
    expect(answered).toBe(0);
    release.resolve();
    for (const body of await Promise.all(waiting)) expect(body).toMatchObject({ partial: false });
  });
});

describe('a client that', () => {
  it('goes away ends the calls to the shards', async () => {
    const asked = Promise.withResolvers<void>();
    await start(() => asked.resolve());
    const agent = new Agent();
    const request = httpGet(`${query.origin}/api/v1/logs`, { agent });
    request.on('error', () => {});
    await asked.promise;
    request.destroy();
    await shards[0]?.cancelled;
    agent.destroy();
  });
});

describe('the proxy', () => {
  it('answers what it has begun before it stops', async () => {
    await start(response => void setTimeout(() => response.end(ndjson(ROWS)), 100));
    const reply = query.get('/api/v1/logs');
    while (shards[0]?.reads.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
    await query.stop();
    expect((await reply).body).toMatchObject({ count: 1, partial: false });
    await expect(fetch(`${query.origin}/healthz`)).rejects.toThrow();
  });

  it('cannot be started on an address that is taken', async () => {
    await start(healthy);
    await expect(startQuery([], { port: query.proxy.port })).rejects.toThrow(/EADDRINUSE/);
  });
});
