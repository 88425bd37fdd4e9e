import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { createHash } from '../../src/shared/topology/hash.ts';
import { createTopology } from '../../src/shared/topology/topology.ts';
import { parseMetrics, sumOf } from '../support/metrics.ts';
import {
  type HarnessOptions,
  type QueryHarness,
  type StubBehaviour,
  startQuery,
  startShards,
} from '../support/query-harness.ts';
import type { StubShard } from '../support/stub-shard.ts';

const hash = await createHash();
let shards: StubShard[] = [];
let query: QueryHarness;
afterEach(async () => {
  await query.stop();
  await Promise.all(shards.map(shard => shard.stop()));
});

/** A shard that stores what it is given once it is let. */
async function start(writes: NonNullable<HarnessOptions['writes']>): Promise<{ release(): void }> {
  const released = Promise.withResolvers<void>();
  const stores: StubBehaviour = response => void released.promise.then(() => response.end('{"id":"1"}'));
  shards = await startShards(stores);
  const topology = createTopology({ version: 1, shards: shards.map(({ spec }) => spec) }, hash);
  query = await startQuery([], {
    timeoutMs: 20_000,
    topology: { current: () => topology, onChange: () => {} },
    writes,
  });
  return { release: released.resolve };
}

const comment = (body = 'a', init: RequestInit = {}) =>
  query.get('/api/v1/traces/x/comments', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ body }),
    ...init,
  });
const metric = async (name: string, labels?: Record<string, string>) =>
  sumOf(parseMetrics((await query.get('/metrics')).text), name, labels);
const metricIs = (name: string, value: number) => expect.poll(() => metric(name)).toBe(value);

describe('writes at once', () => {
  it('are bounded: the next waits, and one more is a 503 that names the settings and says when to come back', async () => {
    const { release } = await start({ maxConcurrent: 1, maxWaiting: 1 });
    const running = comment();
    await metricIs('otelfan_query_writes_in_flight', 1);
    const waiting = comment();
    await metricIs('otelfan_query_writes_waiting', 1);
    const { status, headers, body } = await comment();
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    expect(body).toEqual({
      error:
        'too many writes: 1 are in hand (query.writes.maxConcurrent) and 1 wait (query.writes.maxWaiting)',
    });
    expect(shards[0]?.reads).toHaveLength(1);
    release();
    expect([(await running).status, (await waiting).status]).toEqual([201, 201]);
    await metricIs('otelfan_query_writes_total', 3);
    const written = (code: string) =>
      metric('otelfan_query_writes_total', { write: 'comment', status: code });
    expect([await written('201'), await written('503')]).toEqual([2, 1]);
    const refused = { setting: 'query.writes.maxWaiting' };
    expect(await metric('otelfan_query_refusals_total', refused)).toBe(1);
    expect(await metric('otelfan_query_write_duration_seconds_count', { write: 'comment' })).toBe(3);
  });

  it('leave reads alone, and bad ones take no turn', async () => {
    const { release } = await start({ maxConcurrent: 1, maxWaiting: 0 });
    const running = comment();
    await metricIs('otelfan_query_writes_in_flight', 1);
    expect((await comment('a', { body: '{' })).status).toBe(400);
    expect((await query.get('/api/v1/logs?limit=0&timeout=50ms')).body.error).toMatch(/^no shard answered/);
    release();
    expect((await running).status).toBe(201);
  });

  it('keep their turn when their client leaves, for they may be stored', async () => {
    const { release } = await start({ maxConcurrent: 1, maxWaiting: 0 });
    const leaving = new AbortController();
    const left = comment('a', { signal: leaving.signal }).catch(() => 'left');
    await metricIs('otelfan_query_writes_in_flight', 1);
    leaving.abort();
    expect(await left).toBe('left');
    await expect.poll(() => metric('otelfan_query_writes_total', { status: 'cancelled' })).toBe(1);
    expect((await comment()).status).toBe(503);
    release();
    await metricIs('otelfan_query_writes_in_flight', 0);
    expect((await comment()).status).toBe(201);
  });
});

describe('the bodies of writes', () => {
  it('are bounded together: one that has no room is a 503, and the next is taken', async () => {
    const { release } = await start({ maxBytes: 5000 });
    const running = comment('x'.repeat(4000));
    await metricIs('otelfan_query_writes_in_flight', 1);
    expect(await metric('otelfan_query_upload_bytes')).toBeGreaterThan(4000);
    for (const body of ['y'.repeat(1000), gzipSync(JSON.stringify({ body: 'y'.repeat(1000) }))]) {
      const isPacked = typeof body !== 'string';
      const headers = { 'content-type': 'application/json', ...(isPacked && { 'content-encoding': 'gzip' }) };
      const refused = isPacked
        ? await comment('', { body: new Uint8Array(body), headers })
        : await comment(body);
      expect(refused.status).toBe(503);
      expect(refused.headers.get('retry-after')).toBe('1');
      expect(refused.body).toEqual({
        error:
          'too much is being written: the bodies in hand would be larger than query.writes.maxBytes (5000 bytes)',
      });
    }
    release();
    expect((await running).status).toBe(201);
    await metricIs('otelfan_query_upload_bytes', 0);
    expect((await comment('z'.repeat(4000))).status).toBe(201);
    expect(await metric('otelfan_query_refusals_total', { setting: 'query.writes.maxBytes' })).toBe(2);
  });

  it('may be compressed, within the bound of one before and after', async () => {
    const { release } = await start({});
    release();
    const packed = (bytes: string | Buffer) => {
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      return comment('', { body: new Uint8Array(gzipSync(bytes)), headers });
    };
    expect((await packed('{"body":"packed"}')).status).toBe(201);
    expect(shards[0]?.reads[0]?.body).toMatchObject({ body: 'packed' });
    const bomb = await packed(Buffer.alloc(3 * 1024 * 1024, 0x20));
    expect([bomb.status, bomb.body]).toEqual([413, { error: 'the body is larger than 2097152 bytes' }]);
    expect(shards[0]?.reads).toHaveLength(1);
  });

  it('are given so long to arrive, however steadily they come: then a 408 that names the setting', async () => {
    await start({ uploadTimeoutMs: 150 });
    const socket = connect(query.proxy.port, '127.0.0.1');
    const head = ['POST /api/v1/blobs HTTP/1.1', 'host: x', 'content-length: 100000', '', ''].join('\r\n');
    socket.write(head);
    const drip = setInterval(() => socket.write('x'), 10);
    socket.on('error', () => {});
    const answered = await new Promise<string>(resolve =>
      socket.once('data', (data: Buffer) => resolve(data.toString())),
    );
    clearInterval(drip);
    socket.end();
    expect(answered).toMatch(/^HTTP\/1.1 408 /);
    expect(answered).toMatch(/\r\nconnection: close\r\n/i);
    expect(answered).toContain(
      '{"error":"the body did not arrive within 150 ms (query.writes.uploadTimeout)"}',
    );
    await text(socket);
    await metricIs('otelfan_query_upload_bytes', 0);
    expect(await metric('otelfan_query_writes_total', { write: 'blob', status: '408' })).toBe(1);
  });
});
