import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { blobPath } from '../../src/shared/read/writes.ts';
import { type QueryHarness, startQuery } from '../support/query-harness.ts';
import { shardSpec } from '../support/stub-shard.ts';
import { startTestShard, type TestShard } from '../support/test-shard.ts';

const TEXT = 'a rationale';
const SHA256 = createHash('sha256').update(TEXT).digest('hex');

let shards: TestShard[];
let query: QueryHarness;
beforeEach(async () => {
  shards = await Promise.all([startTestShard(), startTestShard()]);
  const specs = shards.map((shard, index) => shardSpec(`s${index}`, Number(new URL(shard.readUrl).port)));
  query = await startQuery(specs, { timeoutMs: 10_000 });
});
afterEach(async () => {
  await query.stop();
  await Promise.all(shards.map(shard => shard.remove()));
});

const put = (shard: TestShard | undefined) =>
  fetch(`${shard?.readUrl}${blobPath(SHA256)}`, { method: 'PUT', body: TEXT });
const ask = (sha256: string) => fetch(`${query.origin}/api/v1/blobs/${sha256}`);

it('G3: a blob is found on whichever shard has it', async () => {
  await put(shards[1]);
  const response = await ask(SHA256);
  expect([response.status, await response.text()]).toEqual([200, TEXT]);
  expect(response.headers.get('content-type')).toMatch(/^application\/octet-stream/);
});

it('a blob that no shard has is 404, and 503 while one that may have it is missing', async () => {
  const missing = await ask(SHA256);
  expect([missing.status, await missing.json()]).toEqual([
    404,
    { error: 'blob not found', partial: false, shards: { total: 2, ok: 2, failed: [] } },
  ]);
  await shards.pop()?.remove();
  const unsure = await ask(SHA256);
  expect(unsure.status).toBe(503);
  expect(unsure.headers.get('otelfan-missing-shards')).toBe('s1');
  expect(await unsure.json()).toMatchObject({
    error: expect.stringMatching(/^blob not found, but not every shard answered: s1/),
    partial: true,
    shards: { total: 2, ok: 1, failed: [{ id: 's1' }] },
  });
});

it('a 404 that is not about the blob is no answer', async () => {
  const server = createServer((_request, response) =>
    response.writeHead(404).end('{"error":"nothing here"}'),
  );
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const other = await startQuery([shardSpec('s0', (server.address() as AddressInfo).port)], {
    timeoutMs: 10_000,
  });
  const response = await fetch(`${other.origin}/api/v1/blobs/${SHA256}`);
  expect([response.status, response.headers.get('otelfan-missing-shards')]).toEqual([503, 's0']);
  await other.stop();
  server.close();
});

it('a client that takes nothing of a large blob is dropped, and does not keep its turn', async () => {
  const bytes = Buffer.alloc(32 * 1024 * 1024, 'x');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const server = createServer((_request, response) => response.end(bytes));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const holder = await startQuery([shardSpec('s0', (server.address() as AddressInfo).port)], {
    timeoutMs: 10_000,
    stallMs: 300,
    limits: { maxConcurrent: 1 },
  });
  const socket = connect(holder.proxy.port, '127.0.0.1').pause();
  socket.write(`GET /api/v1/blobs/${sha256} HTTP/1.1\r\nhost: x\r\n\r\n`);
  const inFlight = async () =>
    /^otelfan_query_in_flight (\d+)$/m.exec((await holder.get('/metrics')).text)?.[1];
  await expect.poll(inFlight).toBe('1');
  await expect.poll(inFlight, { timeout: 20_000 }).toBe('0');
  socket.destroy();
  await holder.stop();
  server.close();
}, 30_000);

it('a blob that one shard has is given out although another is down', async () => {
  await put(shards[0]);
  await shards.pop()?.remove();
  expect((await ask(SHA256)).status).toBe(200);
});

it.each(['..%2f..%2fsecret', SHA256.toUpperCase(), SHA256.slice(1), '%e2%82%ac'])(
  'D22: %s is no hash and is refused',
  async sha256 => {
    const response = await ask(sha256);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: string }).error).toMatch(/expected 64 lower-case hex digits/);
  },
);
