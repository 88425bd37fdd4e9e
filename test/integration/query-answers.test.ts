import { describe, expect, it } from 'vitest';
import { nanosKey } from '../../src/shared/read/ndjson.ts';
import { type QueryHarness, type StubBehaviour, startOverStubs } from '../support/query-harness.ts';
import { answers, type StubRow, type StubShard } from '../support/stub-shard.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

let shards: StubShard[];
let query: QueryHarness;

async function start(...behaviours: StubBehaviour[]): Promise<void> {
  ({ shards, query } = await startOverStubs(behaviours));
}

const span = (startNs: bigint, spanId: string): StubRow => ({
  key: [nanosKey(startNs), TRACE_ID, spanId],
  row: { trace_id: TRACE_ID, span_id: spanId, start: String(startNs) },
});
const ofTrace = ({ key: [start = '', , spanId = ''], row }: StubRow): StubRow => ({
  key: [start, spanId],
  row,
});
const record = (startNs: bigint, tie: string): StubRow => ({
  key: [nanosKey(startNs), nanosKey(startNs), '', '', tie],
  row: { body: tie },
});
const point = (startNs: bigint, name: string): StubRow => ({
  key: [nanosKey(startNs), name, 'web', '0'],
  row: { name, value: null, value_text: 'NaN' },
});

const COMPLETE = { partial: false, shards: { total: 2, ok: 2, failed: [] } };

describe('answers of the query proxy', () => {
  it('has the newest spans of all shards, each once', async () => {
    await start(
      answers([span(30n, 'c'), span(10n, 'a')]),
      answers([span(30n, 'c'), span(20n, 'b'), span(5n, 'z')]),
    );
    const { status, headers, body } = await query.get('/api/v1/traces?limit=3');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('otelfan-partial')).toBeNull();
    expect(body).toEqual({
      spans: [span(30n, 'c').row, span(20n, 'b').row, span(10n, 'a').row],
      next_cursor: expect.any(String),
      ...COMPLETE,
    });
    expect(shards.map(shard => shard.reads)).toEqual(
      shards.map(() => [{ path: '/internal/v1/reads/spans', body: { attributes: [], limit: 4 } }]),
    );
  });

  it('has the spans of a trace from every shard, oldest first', async () => {
    await start(
      answers([span(10n, 'a'), span(30n, 'c')].map(ofTrace)),
      answers([span(20n, 'b')].map(ofTrace)),
    );
    const { status, body } = await query.get(`/api/v1/traces/${TRACE_ID.toUpperCase()}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      trace_id: TRACE_ID,
      span_count: 3,
      spans: [span(10n, 'a').row, span(20n, 'b').row, span(30n, 'c').row],
      ...COMPLETE,
    });
  });

  it('has logs newest first with their count', async () => {
    await start(answers([record(3n, 'c'), record(1n, 'a')]), answers([record(2n, 'b')]));
    const { body } = await query.get('/api/v1/logs?limit=2');
    const next = { next_cursor: expect.any(String) };
    expect(body).toEqual({ logs: [{ body: 'c' }, { body: 'b' }], count: 2, ...next, ...COMPLETE });
  });

  it('has equal log records as often as they were sent', async () => {
    await start(answers([record(3n, 'c'), record(3n, 'c')]), answers([record(3n, 'c')]));
    expect((await query.get('/api/v1/logs')).body).toMatchObject({ count: 3 });
  });

  it('has metrics newest first with their count', async () => {
    await start(answers([point(1n, 'a')]), answers([point(2n, 'b')]));
    const { body } = await query.get('/api/v1/metrics');
    expect(body).toEqual({ metrics: [point(2n, 'b').row, point(1n, 'a').row], count: 2, ...COMPLETE });
  });

  it('has services with figures over all shards', async () => {
    const web = { service: 'web', span_count: 2, trace_count: 1, error_count: 1, duration_sum_ns: '3000000' };
    const db = { ...web, service: 'db', span_count: 1, error_count: 0 };
    await start(
      answers([
        { key: ['db'], row: db },
        { key: ['web'], row: web },
      ]),
      answers([{ key: ['web'], row: web }]),
    );
    const { body } = await query.get('/api/v1/services');
    expect(body).toEqual({
      services: [
        { name: 'web', span_count: 4, trace_count: 2, avg_duration_ms: 1.5, error_rate: 0.5 },
        { name: 'db', span_count: 1, trace_count: 1, avg_duration_ms: 3, error_rate: 0 },
      ],
      ...COMPLETE,
    });
  });

  it('has empty lists where nothing matches', async () => {
    await start(answers([]), answers([]));
    expect((await query.get('/api/v1/traces')).body).toEqual({ spans: [], ...COMPLETE });
    expect((await query.get('/api/v1/logs')).body).toEqual({ logs: [], count: 0, ...COMPLETE });
    expect((await query.get('/api/v1/metrics')).body).toEqual({ metrics: [], count: 0, ...COMPLETE });
    expect((await query.get('/api/v1/services')).body).toEqual({ services: [], ...COMPLETE });
  });

  it('gives every shard the same window', async () => {
    await start(answers([]), answers([]));
    await query.get('/api/v1/logs?last=1h');
    const fromNs = String((1_700_000_000_000n - 3_600_000n) * 1_000_000n);
    for (const shard of shards) expect(shard.reads).toMatchObject([{ body: { fromNs } }]);
  });

  it('is 404 for a trace that every shard denies', async () => {
    await start(answers([]), answers([]));
    const { status, body } = await query.get(`/api/v1/traces/${TRACE_ID}`);
    expect(status).toBe(404);
    expect(body).toEqual({ error: 'trace not found', ...COMPLETE });
  });

  it('never lets a trace id choose the path that is asked', async () => {
    await start(answers([]), answers([]));
    for (const id of ['..%2F..%2Fhealthz', 'a%2Fb', `${TRACE_ID}%3Flimit=1`, '%23', '%00', '%ZZ']) {
      const { status, body } = await query.get(`/api/v1/traces/${id}`);
      expect(status, id).toBe(400);
      expect(body, id).toEqual({ error: expect.any(String) });
    }
    expect(shards.flatMap(shard => shard.reads)).toEqual([]);
  });

  it('refuses bad parameters before it asks a shard', async () => {
    await start(answers([]));
    for (const parameters of [
      'limit=1001',
      'last=1w',
      'timeout=0',
      'timeout=5',
      'partial=maybe',
      'partial=',
    ]) {
      const { status, body } = await query.get(`/api/v1/traces?${parameters}`);
      expect(status, parameters).toBe(400);
      expect(body.error, parameters).toContain(parameters.split('=')[0]);
    }
    expect((await query.get('/api/v1/services?timeout=0')).body.error).toBe(
      'bad timeout "0": expected a whole number above 0 with ms, s, m, h or d (500ms, 15m)',
    );
    expect(shards[0]?.reads).toEqual([]);
  });

  it('explains unknown paths and methods in JSON', async () => {
    await start(answers([]));
    for (const path of [
      '/',
      '/api/v1/traces/',
      '/api/v1/Traces',
      '/internal/v1/reads/spans',
      '/api/v1/traces/a/b',
    ]) {
      const { status, body } = await query.get(path);
      expect(status, path).toBe(404);
      expect(body, path).toEqual({ error: `no such path: ${path}` });
    }
    for (const path of ['/api/v1/traces', '/healthz']) {
      const { status, body, headers } = await query.get(path, { method: 'POST', body: '{}' });
      expect(status).toBe(405);
      expect(headers.get('allow')).toBe('GET, HEAD');
      expect(body).toEqual({ error: 'method POST is not allowed, only GET is' });
    }
  });
});
