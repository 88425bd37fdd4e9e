import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningCli, startCli } from './cli.ts';
import { startRedis } from './redis.ts';
import { type Restartable, startRestartable } from './restartable.ts';

/** A whole otelfan, however it is put together. */
export interface System {
  readonly http: string;
  readonly grpc: string;
  readonly api: string;
  readonly metrics: string;
  stop(): Promise<void>;
}

export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'otelfan-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }) };
}

const ANY_PORTS = ['--http-port', '0', '--grpc-port', '0', '--api-port', '0', '--metrics-port', '0'];

/** `otelfan up` on a folder of the caller's. */
export async function startUp(
  dataDir: string,
  extra: readonly string[] = [],
): Promise<System & { process: RunningCli }> {
  const process = await startCli(['up', '--data-dir', dataDir, ...ANY_PORTS, ...extra]);
  const { http = '', grpc = '', api = '', metrics = '' } = process.addresses;
  return { http, grpc, api, metrics, process, stop: async () => void (await process.stop()) };
}

export interface SeparateSystem extends System {
  readonly shardIds: readonly string[];
  /** Stops one shard process at once, as a crash does. */
  killShard(id: string): Promise<void>;
  /** Starts it again with its data, at its old addresses. */
  restartShard(id: string): Promise<void>;
  shard(id: string): Restartable;
  /** The ingest process that runs; addresses of the system are those of it. */
  ingest(): RunningCli;
  /** Starts another ingest process, on other ports. */
  restartIngest(): Promise<void>;
  readonly redisUrl: string;
}

interface SeparateOptions {
  readonly shards?: number;
  /** Further flags of ingest. */
  readonly ingestFlags?: readonly string[];
  readonly ingestEnv?: NodeJS.ProcessEnv;
}

/** Every part a process of its own, with a real Redis as the queue. */
export async function startSeparate(options: SeparateOptions = {}): Promise<SeparateSystem> {
  const { shards: shardCount = 3, ingestFlags = [], ingestEnv = {} } = options;
  const folder = await temporaryFolder();
  const redis = await startRedis();
  const shardIds = Array.from({ length: shardCount }, (_, index) => `s${index}`);
  const shards = new Map<string, Restartable>();
  await Promise.all(
    shardIds.map(async id => {
      const args = ['shard', '--id', id, '--data-dir', folder.path];
      shards.set(id, await startRestartable({ name: `shard ${id}`, args, ports: ['otlp', 'read'] }));
    }),
  );
  const shard = (id: string) => {
    const running = shards.get(id);
    if (running === undefined) throw new Error(`no shard ${id}`);
    return running;
  };
  const env = {
    OTELFAN_TOPOLOGY: JSON.stringify({
      version: 1,
      shards: shardIds.map(id => {
        const { otlp, read } = shard(id).addresses;
        return { id, otlp, read };
      }),
    }),
    OTELFAN_QUEUE_REDIS_URL: redis.url,
    OTELFAN_DELIVERY_TIMEOUT: '3s',
    OTELFAN_DELIVERY_RETRY_MAX: '1s',
  };
  const ports = ['--http-port', '0', '--grpc-port', '0', '--health-port', '0', '--metrics-port', '0'];
  const startIngest = () => startCli(['ingest', ...ports, ...ingestFlags], { ...env, ...ingestEnv });
  let ingest = await startIngest();
  const query = await startCli(['query', '--api-port', '0'], env);
  return {
    get http() {
      return ingest.addresses.http ?? '';
    },
    get grpc() {
      return ingest.addresses.grpc ?? '';
    },
    get metrics() {
      return ingest.addresses.metrics ?? '';
    },
    api: query.addresses.api ?? '',
    redisUrl: redis.url,
    ingest: () => ingest,
    restartIngest: async () => {
      ingest = await startIngest();
    },
    shardIds,
    shard,
    killShard: id => shard(id).kill(),
    restartShard: id => shard(id).start(),
    stop: async () => {
      for (const running of [ingest, query, ...shards.values()]) {
        running.resume();
        await running.stop();
      }
      await redis.stop();
      await folder.remove();
    },
  };
}
