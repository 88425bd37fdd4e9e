import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { onTestFinished } from 'vitest';
import { createQuery, type QueryOptions, type QueryProxy } from '../../src/query/create-query.ts';
import type { ShardSpec } from '../../src/shared/topology/topology.ts';
import { type StubShard, startStubShard, topologyOf } from './stub-shard.ts';

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown>;
  readonly elapsedMs: number;
}

export interface QueryHarness {
  readonly proxy: QueryProxy;
  readonly origin: string;
  get(path: string, init?: RequestInit): Promise<Reply>;
  stop(): Promise<void>;
}

export type StubBehaviour = Parameters<typeof startStubShard>[1];

/** Stub shards `s0`, `s1`, … that behave as given. */
export async function startShards(...behaviours: readonly StubBehaviour[]): Promise<StubShard[]> {
  return Promise.all(behaviours.map((behave, index) => startStubShard(`s${index}`, behave)));
}

export type HarnessOptions = Partial<Omit<QueryOptions, 'calls' | 'limits' | 'writes'>> & {
  readonly calls?: Partial<QueryOptions['calls']>;
  readonly limits?: Partial<QueryOptions['limits']>;
  readonly writes?: Partial<QueryOptions['writes']>;
};

/** A query proxy on a free port over the given shards. */
export async function startQuery(
  shards: readonly ShardSpec[],
  { calls, limits, writes, ...options }: HarnessOptions = {},
): Promise<QueryHarness> {
  const topology = topologyOf(shards);
  const proxy = await createQuery({
    host: '127.0.0.1',
    port: 0,
    topology: { current: () => topology, onChange: () => {} },
    timeoutMs: 400,
    calls: {
      connectTimeoutMs: 1000,
      firstByteTimeoutMs: 10_000,
      idleTimeoutMs: 10_000,
      maxAnswerBytes: 64 * 1024 * 1024,
      taelRowCap: 1000,
      ...calls,
    },
    limits: {
      maxRows: 1000,
      maxEvalRows: 100_000,
      maxWindowMs: 0,
      maxGroups: 1000,
      maxAnswerBytes: 256 * 1024 * 1024,
      maxHeldBytes: 1024 * 1024 * 1024,
      maxConcurrent: 100,
      maxWaiting: 100,
      ...limits,
    },
    writes: {
      maxConcurrent: 100,
      maxWaiting: 100,
      maxBytes: 64 * 1024 * 1024,
      uploadTimeoutMs: 10_000,
      ...writes,
    },
    slowQueryMs: 0,
    readyQuorum: 1,
    logger: pino({ level: 'silent' }),
    clock: { now: () => 1_700_000_000_000 },
    steady: { now: () => 0 },
    random: () => 0.5,
    newId: uuidv7,
    ...options,
  });
  const origin = `http://127.0.0.1:${proxy.port}`;
  return {
    proxy,
    origin,
    async get(path, init) {
      const startMs = performance.now();
      const response = await fetch(origin + path, init);
      const text = await response.text();
      const elapsedMs = performance.now() - startMs;
      const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false;
      const body = isJson && text !== '' ? (JSON.parse(text) as Record<string, unknown>) : {};
      return { status: response.status, headers: response.headers, text, body, elapsedMs };
    },
    stop: () => proxy.stop(),
  };
}

/** Stub shards and a query proxy over them, which end with the test. */
export async function startOverStubs(
  behaviours: readonly StubBehaviour[],
  options: HarnessOptions = {},
): Promise<{ readonly shards: StubShard[]; readonly query: QueryHarness }> {
  const shards = await startShards(...behaviours);
  const query = await startQuery(
    shards.map(shard => shard.spec),
    options,
  );
  onTestFinished(async () => {
    await query.stop();
    await Promise.all(shards.map(shard => shard.stop()));
  });
  return { shards, query };
}
