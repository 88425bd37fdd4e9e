import { renameSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { BatchQueue } from '../../src/ingest/queue/batch-queue.ts';
import { stopAll } from '../../src/shared/lifecycle.ts';
import { openDataFolderQueue } from '../support/queue-samples.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { openRedisQueue } from '../support/redis-queue.ts';
import { type Restartable, startRestartable } from '../support/restartable.ts';
import { temporaryFolder } from '../support/systems.ts';
import { type ChaosProxy, startChaosProxy } from './chaos-proxy.ts';
import type { Doors } from './transports.ts';

export const QUEUE_KINDS = ['lmdb', 'redis'] as const;
export type QueueKind = (typeof QUEUE_KINDS)[number];
export const PROCESS_KINDS = ['ingest', 'query', 'shard'] as const;
type ProcessKind = (typeof PROCESS_KINDS)[number];

export interface SiteShard {
  readonly id: string;
  readonly state?: 'active' | 'draining' | 'removed';
}

export interface SiteOptions {
  readonly queue: QueueKind;
  /** Settings by section of the configuration file, before those of {@link SETTINGS}. */
  readonly settings?: Settings;
  /** Of every process of otelfan. */
  readonly env?: NodeJS.ProcessEnv;
  /** Modules that are loaded into every process of otelfan first. */
  readonly preload?: readonly string[];
  /** The address of the queue's Redis; default: a Redis of its own. */
  readonly redisUrl?: string;
  /** Where data is kept, that of Redis included. Default: temporary folders, which are removed at the end. */
  readonly dataDir?: string;
  /** Where the data of single shards is kept instead. */
  readonly shardDirs?: Readonly<Record<string, string>>;
  /** Default `s0`, `s1`, `s2`; only these are in the topology at first. */
  readonly shards?: readonly string[];
  /** Shards that run, too. */
  readonly spareShards?: readonly string[];
}

type Settings = Readonly<Record<string, object>>;

/**
 * otelfan as it is deployed, on one machine: two ingest replicas, one of them with workers, two query proxies, three
 * shards and the queue, each a process of its own. One shard is behind a faulty network.
 */
export interface Site {
  readonly queue: QueueKind;
  of(kind: ProcessKind): readonly Restartable[];
  /** Where ingest takes exports, also while it is down. */
  readonly doors: readonly Doors[];
  /** Base URLs of the read API. */
  readonly apis: readonly string[];
  /** Shards of the topology, and spare ones from when they are in it. */
  shardIds(): readonly string[];
  /** The shard behind the faulty network, the way of batches to it and the way of reads. */
  readonly faulty: { readonly id: string; readonly otlp: ChaosProxy; readonly read: ChaosProxy };
  /** Absent with the embedded queue, and where it is not the site's own. */
  readonly redis: TestRedis | undefined;
  /** The file that every process has its settings from. */
  readonly config: string;
  /** Writes another version of the topology, which ingest and query follow. */
  changeTopology(version: number, shards: readonly SiteShard[], previous?: readonly object[]): void;
  /**
   * Looks at the queue beside the processes that use it, and again when that failed: on a busy machine the queue of this
   * process may take its connection to Redis for lost.
   */
  lookAtQueue<T>(look: (queue: BatchQueue) => Promise<T>): Promise<T>;
  /** What ended although nobody asked for it, in words. */
  readonly crashes: readonly string[];
  /** Makes everything run again, and the network well. */
  heal(): Promise<void>;
  /** `kill -9` of all that runs, Redis included. */
  killAll(): Promise<void>;
  /** Starts the same on another data folder, which may have what this one left. */
  startOn(dataDir: string): Promise<Site>;
  stop(): Promise<void>;
}

/** Short times, so that a trial sees what follows; the lease of a claim is `delivery.timeout` plus five seconds. */
const SETTINGS = {
  delivery: { timeout: '1s', retryInitial: '50ms', retryMax: '500ms' },
  query: { timeout: '3s' },
  // A slow machine is no reason to refuse.
  ingest: { maxEventLoopDelay: '10s' },
  queue: { minFreeBytes: '32MiB', redis: { silenceTimeout: '2s' } },
  shard: { memoryLimit: '256MiB', threads: 1, minFreeBytes: '32MiB' },
} satisfies Settings;
const SECTIONS = Object.keys(SETTINGS) as (keyof typeof SETTINGS)[];

const SHARDS = ['s0', 's1', 's2'];
const FAULTY = 's1';
const MAX_LOOKS = 20;
const LOOK_AGAIN_MS = 500;
const INGEST_PORTS = ['http', 'grpc', 'health', 'metrics'];

export async function startSite(options: SiteOptions): Promise<Site> {
  const { queue, preload = [], shards = SHARDS, spareShards = [], shardDirs = {} } = options;
  const env = {
    ...options.env,
    NODE_OPTIONS: preload.map(file => `--import=${pathToFileURL(file)}`).join(' '),
  };
  const folder = await temporaryFolder();
  const dataDir = options.dataDir ?? folder.path;
  const config = join(folder.path, 'otelfan.yaml');
  const crashes: string[] = [];
  const running = { ingest: [] as Restartable[], query: [] as Restartable[], shard: [] as Restartable[] };
  const proxies: ChaosProxy[] = [];
  let redis: TestRedis | undefined;

  async function stop(): Promise<void> {
    const all = Object.values(running).flat();
    for (const process of all) process.resume();
    await stopAll(all.map(process => ({ stop: () => process.kill() })));
    await stopAll([...proxies, ...(redis === undefined ? [] : [redis])]);
    await folder.remove();
  }

  async function launch(
    kind: ProcessKind,
    which: string,
    ports: readonly string[],
    args: readonly string[] = [],
  ) {
    const process = await startRestartable({
      name: `${kind} ${which}`,
      args: [kind, '--config', config, ...args],
      ports,
      env,
      onCrash: words => void crashes.push(words),
    });
    running[kind].push(process);
    return process;
  }

  async function addProxy(target: string): Promise<ChaosProxy> {
    const proxy = await startChaosProxy(target);
    proxies.push(proxy);
    return proxy;
  }

  const section = (name: keyof typeof SETTINGS) => ({ ...SETTINGS[name], ...options.settings?.[name] });
  const settings = (redisUrl: string | undefined) => ({
    dataDir,
    ...Object.fromEntries(SECTIONS.map(name => [name, section(name)])),
    queue: { ...section('queue'), redis: { ...SETTINGS.queue.redis, ...(redisUrl && { url: redisUrl }) } },
  });

  function write(content: object): void {
    writeFileSync(`${config}.new`, JSON.stringify(content));
    renameSync(`${config}.new`, config);
  }

  async function start(): Promise<Site> {
    // With `everysec` a killed Redis may lose what it had answered for.
    if (queue === 'redis' && options.redisUrl === undefined) {
      const place = options.dataDir === undefined ? {} : { dir: await redisFolder(options.dataDir) };
      redis = await startRedis({ args: ['--appendfsync', 'always'], ...place });
    }
    const redisUrl = queue === 'redis' ? (options.redisUrl ?? redis?.url) : undefined;
    write(settings(redisUrl));
    const addresses = new Map<string, { readonly otlp: string; readonly read: string }>();
    await allOrNone(
      [...shards, ...spareShards].map(async id => {
        const args = ['--id', id, '--data-dir', shardDirs[id] ?? dataDir];
        const { otlp = '', read = '' } = (await launch('shard', id, ['otlp', 'read'], args)).addresses;
        addresses.set(id, { otlp, read });
      }),
    );
    const real = addresses.get(FAULTY) as { otlp: string; read: string };
    const faulty = { id: FAULTY, otlp: await addProxy(real.otlp), read: await addProxy(real.read) };
    addresses.set(FAULTY, { otlp: faulty.otlp.url, read: faulty.read.url });
    let shardIds: readonly string[] = [];
    const changeTopology: Site['changeTopology'] = (version, list, previous = []) => {
      shardIds = list.map(({ id }) => id);
      write({
        ...settings(redisUrl),
        topology: {
          version,
          shards: list.map(shard => ({ ...shard, ...addresses.get(shard.id) })),
          previous,
        },
      });
    };
    changeTopology(
      1,
      shards.map(id => ({ id })),
    );
    await allOrNone([
      launch('ingest', 'a', INGEST_PORTS, ['--workers', '2']),
      launch('ingest', 'b', INGEST_PORTS, ['--workers', '1']),
      launch('query', 'a', ['api']),
      launch('query', 'b', ['api']),
    ]);
    for (const list of Object.values(running)) list.sort((a, b) => (a.name < b.name ? -1 : 1));
    return {
      queue,
      of: kind => running[kind],
      doors: running.ingest.map(({ addresses: { http = '', grpc = '' } }) => ({ http, grpc })),
      apis: running.query.map(process => process.addresses.api ?? ''),
      shardIds: () => shardIds,
      faulty,
      redis,
      config,
      changeTopology,
      async lookAtQueue(look) {
        for (let looks = 1; ; looks += 1) {
          const opened = await (redisUrl === undefined
            ? openDataFolderQueue(dataDir)
            : openRedisQueue(redisUrl));
          try {
            return await look(opened);
          } catch (error) {
            if (looks === MAX_LOOKS) throw error;
          } finally {
            await opened.stop();
          }
          await sleep(LOOK_AGAIN_MS);
        }
      },
      crashes,
      async heal() {
        for (const proxy of proxies) proxy.calm();
        redis?.resume();
        if (redis?.isRunning() === false) await redis.start();
        for (const process of Object.values(running).flat()) {
          process.resume();
          await process.start();
        }
      },
      async killAll() {
        await Promise.all(
          [...Object.values(running).flat(), ...(redis === undefined ? [] : [redis])].map(each =>
            each.kill(),
          ),
        );
      },
      startOn: other => startSite({ ...options, dataDir: other }),
      stop,
    };
  }

  return await start().catch(async (error: unknown) => {
    await stop();
    throw error;
  });
}

async function redisFolder(dataDir: string): Promise<string> {
  const dir = join(dataDir, 'redis');
  await mkdir(dir, { recursive: true });
  return dir;
}

/** Waits for every one, so that nothing starts behind the back of whoever cleans up. */
async function allOrNone(starting: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(starting)) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}
