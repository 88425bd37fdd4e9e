import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { createShard, type Shard, type ShardOptions } from '../../src/shard/create-shard.ts';
import { batchHeaders } from '../../src/shared/otlp/batch-header.ts';
import { createJsonTranscoder } from '../../src/shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { SIGNAL_FACTS, type Signal } from '../../src/shared/otlp/signal.ts';
import {
  readPath,
  type ShardReadName,
  type ShardReadRequest,
  SNAPSHOT_PATH,
  type Trailer,
} from '../../src/shared/read/contract.ts';
import { parseRowLine, parseTrailer } from '../../src/shared/read/ndjson.ts';
import type { Json } from './otlp-arbitraries.ts';

const transcoder = createJsonTranscoder(createOtlpTypes());

/** OTLP/JSON as the protobuf bytes that a delivery sends. */
export function otlpBytes(signal: Signal, json: Json): Buffer {
  const transcoded = transcoder.toProtobuf(signal, Buffer.from(JSON.stringify(json)));
  if (transcoded.kind === 'malformed') throw new Error(transcoded.reason);
  return transcoded.body;
}

export interface TestBatch {
  readonly id: string;
  readonly signal: Signal;
  readonly slices: readonly { readonly exportId: string; readonly json: Json }[];
}

export interface ReadAnswer {
  readonly keys: readonly (readonly string[])[];
  readonly rows: readonly Json[];
  readonly trailer: Trailer;
}

/** A real shard on a temporary folder, with a clock that stands still until it is moved. */
export interface TestShard {
  readonly dataDir: string;
  readonly readUrl: string;
  readonly otlpUrl: string;
  advance(ms: number): void;
  /** Plain OTLP, without batch headers. */
  send(signal: Signal, json: Json): Promise<Response>;
  deliver(batch: TestBatch): Promise<Response>;
  read<N extends ShardReadName>(name: N, request: ShardReadRequest<N>): Promise<ReadAnswer>;
  /** Closes the shard and opens it again on the same data. */
  restart(): Promise<void>;
  remove(): Promise<void>;
}

export async function startTestShard(overrides: Partial<ShardOptions> = {}): Promise<TestShard> {
  const dataDir = await mkdtemp(join(tmpdir(), 'otelfan-shard-'));
  let nowMs = 1_700_000_000_000;
  const start = () => createShard({ ...testOptions(dataDir), clock: { now: () => nowMs }, ...overrides });
  let shard: Shard = await start();
  const test: TestShard = {
    dataDir,
    get otlpUrl() {
      return `http://127.0.0.1:${shard.otlpPort}`;
    },
    get readUrl() {
      return `http://127.0.0.1:${shard.readPort}`;
    },
    advance(ms) {
      nowMs += ms;
    },
    send(signal, json) {
      return post(test.otlpUrl, { signal, body: otlpBytes(signal, json) });
    },
    deliver(batch) {
      return deliver(test.otlpUrl, batch);
    },
    read(name, request) {
      return read(test.readUrl, name, request);
    },
    async restart() {
      await shard.stop();
      shard = await start();
    },
    async remove() {
      await shard.stop();
      await rm(dataDir, { recursive: true });
    },
  };
  return test;
}

export function testOptions(dataDir: string): ShardOptions {
  return {
    dataDir,
    otlp: { host: '127.0.0.1', port: 0 },
    read: { host: '127.0.0.1', port: 0 },
    maxRequestBytes: 4 * 1024 * 1024,
    memoryLimitBytes: 256 * 1024 * 1024,
    threads: 1,
    sql: {
      timeoutMs: 10_000,
      maxRows: 10_000,
      memoryLimitBytes: 64 * 1024 * 1024,
      onStuck: reason => {
        throw new Error(reason);
      },
    },
    repeatWindowMs: 15 * 60_000,
    batchMemoryMs: 8 * 86_400_000,
    maxConcurrentReads: 8,
    maxWaitingReads: 64,
    maxAnswerRows: 1_000_000,
    maxAnswerBytes: 256 * 1024 * 1024,
    retention: { maxAgeMs: 365 * 86_400_000, maxBytes: 2 ** 40, evalAgeMs: 365 * 86_400_000 },
    minFreeBytes: 16 * 1024 * 1024,
    lookEveryMs: 50,
    version: '0.0.0-test',
    logger: pino({ level: 'silent' }),
    clock: { now: () => Date.now() },
  };
}

export function deliver(otlpUrl: string, { id, signal, slices }: TestBatch): Promise<Response> {
  const bodies = slices.map(({ json }) => otlpBytes(signal, json));
  const infos = slices.map(({ exportId }, index) => ({ exportId, sizeBytes: bodies[index]?.length ?? 0 }));
  return post(otlpUrl, {
    signal,
    body: Buffer.concat(bodies),
    headers: batchHeaders({ id, slices: infos }) as Record<string, string>,
  });
}

interface Post {
  readonly signal: Signal;
  readonly body: Buffer;
  readonly headers?: Record<string, string>;
}

export function post(otlpUrl: string, { signal, body, headers = {} }: Post): Promise<Response> {
  return fetch(`${otlpUrl}${SIGNAL_FACTS[signal].path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf', ...headers },
    body: new Uint8Array(body),
  });
}

export async function read<N extends ShardReadName>(
  readUrl: string,
  name: N,
  request: ShardReadRequest<N>,
): Promise<ReadAnswer> {
  const response = await postRead(readUrl, name, request);
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${response.status} ${body}`);
  return parseAnswer(body);
}

export function postRead(
  readUrl: string,
  name: ShardReadName,
  request: object,
  init: RequestInit = {},
): Promise<Response> {
  return fetch(`${readUrl}${readPath(name)}`, { method: 'POST', body: JSON.stringify(request), ...init });
}

export function postSnapshot(readUrl: string, request: object): Promise<Response> {
  return fetch(`${readUrl}${SNAPSHOT_PATH}`, { method: 'POST', body: JSON.stringify(request) });
}

/** NDJSON of one read. */
export function parseAnswer(body: string): ReadAnswer {
  const lines = body.trimEnd().split('\n');
  const trailer = parseTrailer(lines.pop() ?? '');
  if (trailer === undefined) throw new Error(`no trailer in ${body}`);
  const parsed = lines.map(parseRowLine);
  return {
    keys: parsed.map(({ key }) => key),
    rows: parsed.map(({ rowJson }) => JSON.parse(rowJson) as Json),
    trailer,
  };
}
