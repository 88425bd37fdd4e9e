import { setTimeout as sleep } from 'node:timers/promises';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, describe, expect, it } from 'vitest';
import { createDoors, type Doors } from '../../src/ingest/create-doors.ts';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { createTelemetry } from '../../src/ingest/telemetry/telemetry.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { steadyClock, systemClock } from '../../src/shared/time.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import { createTopology } from '../../src/shared/topology/topology.ts';
import { protobufOf } from '../support/otlp-records.ts';
import { traceId } from '../support/otlp-samples.ts';
import { openDataFolderQueue, takeAll } from '../support/queue-samples.ts';
import { connectRaw, grpcFrame } from '../support/raw-grpc.ts';
import { cannotControlRedis, startRedis } from '../support/redis.ts';
import { openRedisQueue } from '../support/redis-queue.ts';
import { snappyBlock, snappyFramed } from '../support/snappy.ts';
import { shardSpec } from '../support/stub-shard.ts';
import { temporaryFolder } from '../support/systems.ts';

/*
 * Buffers of requests serve again. Many requests of different sizes and forms at once, some of them broken off, with
 * content that is theirs alone: what is stored of each is what was sent, and everything that was acknowledged is there.
 */

const SHARDS = ['s0', 's1', 's2'];
const MIB = 1024 ** 2;
const ROUNDS = 240;
const AT_ONCE = 24;
const SPANS = 2;
/** Around the sizes where another kind of buffer is used, and beyond them. */
const TEXT_BYTES = [10, 900, 1100, 4000, 9000, 33_000, 66_000, 270_000, 1_200_000];

const types = createOtlpTypes();
const hash = await createHash();
const logger = pino({ level: 'silent' });

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Differs from that of every other request at every place, and compresses a little. */
function textOf(id: number): string {
  const sizeBytes = TEXT_BYTES[id % TEXT_BYTES.length] as number;
  return `<${id}>`.repeat(Math.ceil(sizeBytes / 5)).slice(0, sizeBytes);
}

function requestOf(id: number) {
  const spans = Array.from({ length: SPANS }, (_, index) => ({
    traceId: traceId(`${id}-${index}`),
    spanId: '0102030405060708',
    name: `${id}-${index}`,
    attributes: [{ key: 'text', value: { stringValue: textOf(id) } }],
  }));
  return { resourceSpans: [{ scopeSpans: [{ spans }] }] };
}

const COMPRESS: readonly [name: string, compress: (plain: Buffer) => Buffer][] = [
  ['identity', plain => plain],
  ['gzip', plain => gzipSync(plain, { level: 1 })],
  ['zstd', plain => zstdCompressSync(plain)],
  ['deflate', plain => deflateSync(plain, { level: 1 })],
  ['snappy', snappyBlock],
  ['snappy', snappyFramed],
];

function openDoorsOn(queue: BatchQueue): Promise<Doors> {
  const topology = createTopology({ version: 1, shards: SHARDS.map(id => shardSpec(id, 1)) }, hash);
  return createDoors({
    http: { host: '127.0.0.1', port: 0 },
    grpc: { host: '127.0.0.1', port: 0 },
    maxRequestBytes: 64 * MIB,
    maxBytesInFlight: 256 * MIB,
    maxConcurrentRequests: 2000,
    maxEventLoopDelayMs: 60_000,
    grpcMaxConnectionAgeMs: 60_000,
    corsOrigins: '',
    topology: () => topology,
    hash,
    queue,
    maxQueueBytes: 4096 * MIB,
    maxShardBytes: 4096 * MIB,
    onShardFull: 'shed',
    batchBytes: MIB,
    storeTimeoutMs: 20_000,
    newId: uuidv7,
    clock: systemClock,
    steady: steadyClock,
    random: Math.random,
    telemetry: createTelemetry('test'),
    logger,
  });
}

/** Sends the requests, every seventh only in part; returns those that were acknowledged. The others may come again. */
async function sendAll(doors: Doors): Promise<Set<number>> {
  const acknowledged = new Set<number>();
  const raw = connectRaw(doors.grpcPort);
  cleanUps.push(() => Promise.resolve(raw.close()));
  const refused: unknown[] = [];

  async function sendHttp(id: number): Promise<void> {
    const isJson = id % 4 === 1;
    const request = requestOf(id);
    const plain = isJson ? Buffer.from(JSON.stringify(request)) : protobufOf('traces', request);
    const [encoding, compress] = COMPRESS[id % COMPRESS.length] as (typeof COMPRESS)[number];
    const body = compress(plain);
    const isBrokenOff = id % 7 === 3;
    const isChunked = isBrokenOff || id % 5 === 2;
    const half = Math.floor(body.length / 2);
    async function* parts() {
      yield body.subarray(0, half);
      await sleep(2);
      if (isBrokenOff) throw new Error('broken off');
      yield body.subarray(half);
    }
    const response = await fetch(`http://127.0.0.1:${doors.httpPort}/v1/traces`, {
      method: 'POST',
      headers: {
        'content-type': isJson ? 'application/json' : 'application/x-protobuf',
        'content-encoding': encoding,
      },
      ...(isChunked ? { body: ReadableStream.from(parts()), duplex: 'half' as const } : { body }),
    }).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.status === 200) acknowledged.add(id);
    else if (!isBrokenOff && response?.status !== 503) refused.push([id, response?.status]);
  }

  async function sendGrpc(id: number): Promise<void> {
    const [encoding, compress] = COMPRESS[id % COMPRESS.length] as (typeof COMPRESS)[number];
    const frame = grpcFrame(compress(protobufOf('traces', requestOf(id))), {
      compressed: encoding !== 'identity',
    });
    const half = Math.floor(frame.length / 2);
    const isBrokenOff = id % 7 === 3;
    const { stream, answer } = raw.call({
      headers: { 'grpc-encoding': encoding },
      chunks: [frame.subarray(0, half)],
      isOpen: true,
    });
    await sleep(2);
    if (isBrokenOff) stream.close(8);
    else stream.end(frame.subarray(half));
    const { trailers } = await answer;
    if (trailers['grpc-status'] === '0') acknowledged.add(id);
    else if (!isBrokenOff && trailers['grpc-status'] !== '14') refused.push([id, trailers]);
  }

  let next = 0;
  const sendSome = async () => {
    while (next < ROUNDS) {
      const id = next++;
      await (id % 3 === 0 ? sendGrpc(id) : sendHttp(id));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sendSome));
  expect(refused).toEqual([]);
  return acknowledged;
}

/** Names of the spans in the queue; each must have the text of its request. */
async function storedNames(queue: BatchQueue): Promise<Set<string>> {
  const names = new Set<string>();
  for (const shard of SHARDS) {
    for (const { payload } of await takeAll(queue, shard)) {
      const request = types.request('traces').toObject(types.request('traces').decode(payload));
      for (const group of request.resourceSpans)
        for (const scope of group.scopeSpans)
          for (const { name, attributes } of scope.spans) {
            const id = Number.parseInt(name, 10);
            if (attributes[0].value.stringValue !== textOf(id)) throw new Error(`span ${name} was altered`);
            names.add(name);
          }
    }
  }
  return names;
}

async function expectAllStored(queue: BatchQueue, acknowledged: ReadonlySet<number>): Promise<void> {
  expect(acknowledged.size).toBeGreaterThan(ROUNDS / 10);
  const names = await storedNames(queue);
  const missing = [...acknowledged].flatMap(id =>
    Array.from({ length: SPANS }, (_, index) => `${id}-${index}`).filter(name => !names.has(name)),
  );
  expect(missing).toEqual([]);
}

describe('what is acknowledged is stored as it was sent', () => {
  it('in the embedded queue', async () => {
    const folder = await temporaryFolder();
    cleanUps.push(() => folder.remove());
    const queue = await openDataFolderQueue(folder.path);
    cleanUps.push(() => queue.stop());
    const doors = await openDoorsOn(queue);
    cleanUps.push(() => doors.stop());
    await expectAllStored(queue, await sendAll(doors));
  });

  it.skipIf(cannotControlRedis !== undefined)('in a Redis that freezes again and again', async () => {
    const redis = await startRedis();
    cleanUps.push(() => redis.stop());
    const queue = await openRedisQueue(redis.url);
    cleanUps.push(() => queue.stop());
    const doors = await openDoorsOn(queue);
    cleanUps.push(() => doors.stop());
    await expect.poll(() => doors.refusalReason()).toBeUndefined();
    let isOver = false;
    const freezing = (async () => {
      while (!isOver) {
        redis.pause();
        await sleep(700);
        redis.resume();
        await sleep(1500);
      }
    })();
    const acknowledged = await sendAll(doors).finally(() => {
      isOver = true;
    });
    await freezing;
    await expect.poll(() => queue.unavailableReason()).toBeUndefined();
    await expectAllStored(queue, acknowledged);
  });
});
