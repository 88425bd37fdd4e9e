import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { BatchQueue } from '../../../src/ingest/queue/batch-queue.ts';
import { type BullBoard, createBullBoard } from '../../../src/ingest/queue/bull-board.ts';
import { createMetricsServer, QUEUES_PATH } from '../../../src/ingest/telemetry/metrics-server.ts';
import type { HttpListener } from '../../../src/shared/http-listener.ts';
import { newBatch } from '../../conformance/new-batch.ts';
import { startRedis, type TestRedis, uniqueName } from '../../support/redis.ts';
import { openRedisQueue } from '../../support/redis-queue.ts';

const logger = pino({ level: 'silent' });

let redis: TestRedis;
let queue: BatchQueue;
let board: BullBoard;
let server: HttpListener;
let shards: string[];
beforeEach(async () => {
  redis = await startRedis();
  queue = await openRedisQueue(redis.url);
  shards = [uniqueName('a'), uniqueName('b')];
  board = createBullBoard({
    url: redis.url,
    cluster: false,
    basePath: QUEUES_PATH,
    shards: () => Promise.resolve(shards),
    logger,
  });
  server = await createMetricsServer({
    host: '127.0.0.1',
    port: 0,
    snapshots: () => Promise.resolve([]),
    queues: board.handle,
    logger,
  });
});
afterEach(async () => {
  await server.stop();
  await board.stop();
  await queue.stop();
  await redis.stop();
});

interface BoardQueue {
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly readOnlyMode: boolean;
}

const at = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init);

async function boardQueues(): Promise<BoardQueue[]> {
  const response = await at('/queues/api/queues');
  expect(response.status).toBe(200);
  return ((await response.json()) as { queues: BoardQueue[] }).queues;
}

const waiting = ({ counts }: BoardQueue) => (counts.waiting ?? 0) + (counts.prioritized ?? 0);

it('shows the page and every lane with what waits in it, those that come later too', async () => {
  const [first = '', second = ''] = shards;
  await expect.poll(async () => (await at('/queues')).status).toBe(200);
  const page = await at('/queues');
  expect(page.headers.get('content-type')).toContain('text/html');
  expect(await page.text()).toContain('otelfan');

  await queue.enqueue([newBatch(first), newBatch(first), newBatch(second)]);
  const lanes = await boardQueues();
  const laneOf = (shard: string) => lanes.find(({ name }) => name === `{otelfan-${shard}}`);
  expect(waiting(laneOf(first) as BoardQueue)).toBe(2);
  expect(waiting(laneOf(second) as BoardQueue)).toBe(1);
  expect(lanes.every(({ readOnlyMode }) => readOnlyMode)).toBe(true);

  shards.push(uniqueName('c'));
  expect(await boardQueues()).toHaveLength(3);
});

it('changes nothing: whoever tries is refused, and the batch is still delivered', async () => {
  const [shard = ''] = shards;
  const batch = newBatch(shard);
  await queue.enqueue([batch]);
  await expect.poll(async () => (await boardQueues()).length).toBe(2);
  const lane = encodeURIComponent(`{otelfan-${shard}}`);
  const attempts = [
    ['PUT', `/queues/api/queues/${lane}/pause`],
    ['PUT', `/queues/api/queues/${lane}/empty`],
    ['PUT', `/queues/api/queues/${lane}/obliterate`],
    ['PUT', `/queues/api/queues/${lane}/${batch.id}/clean`],
    ['PUT', '/queues/api/queues/pause'],
    ['POST', `/queues/api/queues/${lane}/add`],
  ] as const;
  for (const [method, path] of attempts) expect((await at(path, { method })).status, path).toBe(405);
  expect((await queue.claim(shard, 'oldest'))?.batch.id).toBe(batch.id);
});
