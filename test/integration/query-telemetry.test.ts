import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { parseMetrics, sumOf } from '../support/metrics.ts';
import {
  type HarnessOptions,
  type QueryHarness,
  type StubBehaviour,
  startOverStubs,
} from '../support/query-harness.ts';
import { answers } from '../support/stub-shard.ts';

const rows = (count: number) =>
  Array.from({ length: count }, (_, index) => {
    const time = String(1000 - index).padStart(20, '0');
    return { key: [time, time, '', '', 'x'], row: { body: 'x' } };
  });
const fails: StubBehaviour = response => void response.writeHead(500).end('{"error":"boom"}');
const after =
  (ms: number, behaviour: StubBehaviour): StubBehaviour =>
  (response, request, read) =>
    void setTimeout(() => behaviour(response, request, read), ms);

let query: QueryHarness;

async function start(options: HarnessOptions, ...behaviours: StubBehaviour[]): Promise<void> {
  ({ query } = await startOverStubs(behaviours, { timeoutMs: 20_000, ...options }));
}

interface Explain {
  readonly total_ms: number;
  readonly waited_ms: number;
  readonly merge_ms: number;
  readonly rounds: number;
  readonly shards: readonly Record<string, number | string>[];
}

const timers = ['queue_ms', 'connect_ms', 'first_byte_ms', 'transfer_ms'];

describe('explain=1', () => {
  it('adds where the time went, and what came from which shard', async () => {
    await start({}, answers(rows(3)), after(60, answers(rows(2))), fails);
    const { body } = await query.get('/api/v1/logs?explain=1');
    const explain = body.explain as Explain;
    expect(explain).toMatchObject({
      rounds: 1,
      shards: [
        { id: 's0', calls: 1, rows: 3 },
        { id: 's1', calls: 1, rows: 2 },
        { id: 's2', calls: 1, rows: 0, bytes: 16 },
      ],
    });
    for (const shard of explain.shards)
      for (const timer of timers) expect(shard[timer]).toBeGreaterThanOrEqual(0);
    expect(explain.shards[0]?.bytes).toBeGreaterThan(explain.shards[1]?.bytes as number);
    // The shard's own work, and not the way to it.
    expect(explain.shards[1]?.first_byte_ms).toBeGreaterThanOrEqual(55);
    expect(explain.total_ms).toBeGreaterThanOrEqual(55);
    expect(explain.merge_ms).toBeLessThan(explain.total_ms);
  });

  it('tells of a shard that never answered how far it came', async () => {
    await start({ timeoutMs: 400 }, answers(rows(1)), () => {});
    const { shards: asked } = (await query.get('/api/v1/logs?explain=true')).body.explain as Explain;
    expect(asked[1]).toMatchObject({ id: 's1', rows: 0, bytes: 0, transfer_ms: 0 });
    expect(asked[1]?.first_byte_ms).toBeGreaterThan(0);
  });

  it('is not there unasked, and leaves the rest of the answer as it is', async () => {
    await start({}, answers(rows(2)));
    const plain = (await query.get('/api/v1/logs?explain=0')).body;
    const { explain, ...rest } = (await query.get('/api/v1/logs?explain=1')).body;
    expect(explain).toBeDefined();
    expect(rest).toEqual(plain);
    expect((await query.get('/api/v1/logs?explain=yes')).body.error).toBe(
      'bad explain "yes": expected true or false, or 1 or 0',
    );
  });
});

describe('the log of slow queries', () => {
  async function linesOf(slowQueryMs: number, path: string): Promise<Record<string, unknown>[]> {
    const lines: Record<string, unknown>[] = [];
    const logger = pino({ level: 'warn' }, { write: line => void lines.push(JSON.parse(line)) });
    await start({ slowQueryMs, logger }, after(60, answers(rows(2))));
    await query.get(path);
    return lines;
  }

  it('has one line with the read, its parameters, cut when they are long, and the figures of each shard', async () => {
    const long = 'x'.repeat(500);
    const lines = await linesOf(40, `/api/v1/logs?service=shop&body_contains=${long}`);
    expect(lines).toMatchObject([
      {
        level: 40,
        msg: 'slow query',
        read: 'logs',
        status: 200,
        parameters: ['service=shop', `body_contains=${long}`.slice(0, 100).concat('…')],
        rounds: 1,
        total_ms: expect.any(Number),
        shards: [{ id: 's0', rows: 2, first_byte_ms: expect.any(Number) }],
      },
    ]);
  });

  it('has none for a quick one, and none at all when it is switched off', async () => {
    expect(await linesOf(10_000, '/api/v1/logs')).toEqual([]);
    expect(await linesOf(0, '/api/v1/logs')).toEqual([]);
  });
});

describe('/metrics of the query proxy', () => {
  const metrics = async () => parseMetrics((await query.get('/metrics')).text);

  it('counts requests by read and status, calls by shard and outcome, bytes, and partial answers', async () => {
    await start({}, answers(rows(3)), fails);
    await query.get('/api/v1/logs');
    await query.get('/api/v1/logs?partial=false');
    await query.get('/api/v1/logs?limit=x');
    await query.get('/api/v1/metrics?limit=0');
    await expect.poll(async () => sumOf(await metrics(), 'otelfan_query_requests_total')).toBe(4);
    const series = await metrics();
    const requests = (read: string, status: string) =>
      sumOf(series, 'otelfan_query_requests_total', { read, status });
    expect([requests('logs', '200'), requests('logs', '503'), requests('logs', '400')]).toEqual([1, 1, 1]);
    expect(sumOf(series, 'otelfan_query_request_duration_seconds_count', { read: 'logs' })).toBe(3);
    expect(sumOf(series, 'otelfan_query_partial_answers_total', { read: 'logs' })).toBe(2);
    const calls = (shard: string, outcome: string) =>
      sumOf(series, 'otelfan_query_shard_calls_total', { shard, outcome });
    expect(calls('s1', 'failed')).toBe(3);
    expect(calls('s0', 'answered')).toBeGreaterThanOrEqual(1);
    expect(sumOf(series, 'otelfan_query_shard_received_bytes_total', { shard: 's0' })).toBeGreaterThan(100);
    expect(sumOf(series, 'otelfan_query_in_flight')).toBe(0);
    expect(sumOf(series, 'otelfan_topology_version')).toBe(1);
    expect(sumOf(series, 'otelfan_topology_hash')).toBe(1);
    expect(sumOf(series, 'otelfan_query_shard_breaker_state', { shard: 's1', state: 'closed' })).toBe(1);
    expect(sumOf(series, 'process_cpu_seconds_total', { process: 'query' })).toBeGreaterThan(0);
  });

  it('shows a breaker that is open, and time-outs as such', async () => {
    await start({ timeoutMs: 100 }, answers(rows(1)), () => {});
    for (let time = 0; time < 8; time++) await query.get('/api/v1/logs');
    const series = await metrics();
    expect(sumOf(series, 'otelfan_query_shard_calls_total', { shard: 's1', outcome: 'timeout' })).toBe(5);
    const state = (name: string) =>
      sumOf(series, 'otelfan_query_shard_breaker_state', { shard: 's1', state: name });
    expect((state('open') ?? 0) + (state('half-open') ?? 0)).toBe(1);
    expect(state('closed')).toBe(0);
  });
});

describe('an answer that is streamed', () => {
  it('is explained at its end, and logged when it has ended', async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = pino({ level: 'warn' }, { write: line => void lines.push(JSON.parse(line)) });
    const large = rows(400).map(({ key }) => ({ key, row: { body: 'x'.repeat(50_000) } }));
    await start({ slowQueryMs: 1, logger, limits: { maxRows: 1000 } }, answers(large));
    const { body } = await query.get('/api/v1/logs?limit=1000&explain=1');
    expect(body).toMatchObject({
      count: 400,
      partial: false,
      explain: { shards: [{ id: 's0', rows: 400 }] },
    });
    expect(lines).toMatchObject([{ msg: 'slow query', read: 'logs', status: 200, shards: [{ rows: 400 }] }]);
  });
});
