import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { traceId } from '../support/otlp-samples.ts';
import { type HarnessOptions, type QueryHarness, startQuery } from '../support/query-harness.ts';
import { answers, type StubShard, startStubShard } from '../support/stub-shard.ts';
import { type StubTaelReads, startStubTaelReads } from '../support/stub-tael-reads.ts';

/** A shard of our own and a tael-server, both without data. */
let shard: StubShard;
let tael: StubTaelReads;
let query: QueryHarness;

async function start(options: HarnessOptions = {}): Promise<void> {
  shard = await startStubShard('s0', answers([]));
  tael = await startStubTaelReads('t', () => 0n);
  query = await startQuery([shard.spec, tael.spec], options);
}

afterEach(() => Promise.all([query.stop(), shard.stop(), tael.stop()]));

describe('a tael-server that does not answer well', () => {
  const json = { 'content-type': 'application/json' };
  const FAULTS: [string, Parameters<StubTaelReads['behave']>[0], string | RegExp][] = [
    ['hangs', () => {}, /^no answer within \d+ ms$/],
    [
      'fails',
      response => response.writeHead(500, json).end('{"error":"scan failed"}'),
      'answered 500: scan failed',
    ],
    [
      'sends no rows',
      response => response.writeHead(200, json).end('{"count":0}'),
      /^sent something else than /,
    ],
    ['sends garbage', response => response.writeHead(200).end('<html>'), /^sent something else than /],
    [
      'ends in a row',
      response => response.writeHead(200, json).end('{"spans":[{"trace_id":"a'),
      'answer ended in the middle of its rows',
    ],
    [
      'breaks off',
      response => {
        response.writeHead(200, json).write('{"spans":[');
        void sleep(20).then(() => response.destroy());
      },
      /^answer was cut off \(\w+\)$/,
    ],
    ['has no such path', response => response.writeHead(404).end(), 'answered 404'],
    ['is busy', response => response.writeHead(503).end(), 'shard unavailable: answered 503'],
  ];

  it.each(FAULTS)('that %s is named as missing', async (what, behaviour, reason) => {
    await start({ timeoutMs: what === 'hangs' ? 300 : 8000 });
    tael.behave(behaviour);
    const failed = [
      expect.objectContaining({
        id: 't',
        reason: typeof reason === 'string' ? reason : expect.stringMatching(reason),
      }),
    ];
    for (const path of ['traces', 'services', 'traces?partial=false', `traces/${traceId(7)}`]) {
      const { status, body } = await query.get(`/api/v1/${path}`);
      expect([path, status]).toEqual([path, path === 'traces' || path === 'services' ? 200 : 503]);
      expect(body).toMatchObject({ partial: true, shards: { total: 2 } });
      expect((body.shards as { failed: unknown[] }).failed).toEqual(expect.arrayContaining(failed));
    }
  });
});

describe('a tael-server whose own figures are out of all bounds', () => {
  const TRACES = { span_count: 2, trace_count: 1, error_count: 0, avg_ms: 1, max_ms: 1 };
  const SERVICE = { name: 'shop', span_count: 2, trace_count: 1, avg_duration_ms: 1, error_rate: 0 };
  const FIGURES: [string, object][] = [
    ['summary', { traces: { ...TRACES, avg_ms: 1e308 } }],
    ['summary', { traces: { ...TRACES, max_ms: -1e308 } }],
    ['services', { services: [{ ...SERVICE, avg_duration_ms: 1e308 }] }],
    ['services', { services: [{ ...SERVICE, error_rate: 1e308 }] }],
  ];

  it.each(FIGURES)('is answered for by its rows: %s %j', async (read, figures) => {
    await start({ timeoutMs: 8000, calls: { taelRowCap: 1 } });
    const time = '2023-11-14T22:13:20Z';
    const spans = [1, 2].map(no => ({ trace_id: 'a', span_id: `${no}`, start_time: time, service: 'shop' }));
    const lists = { spans, logs: [], metrics: [] };
    tael.behave(response => {
      const [path] = response.req.url?.split('?') ?? [];
      const list = path?.replace('/api/v1/', '').replace('traces', 'spans') as keyof typeof lists;
      const body = path === `/api/v1/${read}` ? figures : { [list]: lists[list] };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    const { status, body } = await query.get(`/api/v1/${read}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ partial: false, exact: false });
    expect(JSON.stringify(body)).toContain('"span_count":1');
  });
});

describe('D25: the readiness of a tael-server', () => {
  it('is lost by two refusals in a row and won by one good word', async () => {
    await start({ readyQuorum: 2 });
    const readiness = async () => (await query.get('/readyz')).status;
    const refuse = () => tael.behave(response => response.writeHead(503).end('not ready'));
    expect(await readiness()).toBe(200);
    refuse();
    expect([await readiness(), await readiness(), await readiness()]).toEqual([200, 503, 503]);
    tael.behave();
    expect(await readiness()).toBe(200);
    refuse();
    expect(await readiness()).toBe(200);
  });
});
