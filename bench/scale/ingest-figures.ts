import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startRedis } from '../../test/support/redis.ts';
import { type Figures, round } from '../figures.ts';
import { createBodies } from '../load/bodies.ts';
import type { LoadPlan } from '../load/load.ts';
import { createSender, type Sender } from '../load/senders.ts';
import { type Sinks, startSinks } from '../load/sinks.ts';
import { type ReplicaHost, startReplicas } from './replica-host-client.ts';

export interface IngestShot {
  readonly shards: number;
  readonly replicas: number;
  readonly seconds: number;
  /** Whether spans come, too, or only rest is measured. */
  readonly isLoaded: boolean;
}

const SPANS_PER_REQUEST = 512;
/** Of all replicas together: far below what they could take, so that nothing queues up anywhere. */
const REQUESTS_PER_SECOND = 20;
/** Lanes that find nothing look ever more rarely; after so long they are at their calmest. */
const CALM_AFTER_MS = 8000;

/**
 * What ingest costs with so many replicas over one Redis and so many shards, which take everything and keep nothing: at
 * rest, and while spans come at a fixed rate and are delivered.
 */
export async function ingestFigures({ shards, replicas, seconds, isLoaded }: IngestShot): Promise<Figures> {
  const redis = await startRedis();
  const sinks = await startSinks(shards);
  const admin = new Redis(redis.url);
  const host = await startReplicas({ replicas, redisUrl: redis.url, shardPorts: sinks.ports });
  const look = lookAt(host, sinks, admin);
  try {
    await sleep(CALM_AFTER_MS);
    const rest = await between(look, () => sleep(1000 * seconds));
    return {
      idle_redis_commands_per_second: round(rest.commands / rest.seconds),
      idle_redis_cores: round(rest.redisCpu / rest.seconds),
      idle_replica_cores: round(rest.cpu / rest.seconds / replicas),
      redis_connections: (await look()).connections,
      ...(isLoaded && (await loadedFigures(host, look, seconds))),
    };
  } finally {
    admin.disconnect();
    await host.stop();
    await sinks.stop();
    await redis.stop();
  }
}

async function loadedFigures(host: ReplicaHost, look: Look, seconds: number): Promise<Figures> {
  const load = createLoad(host.urls);
  await load.run(seconds / 2);
  const busy = await between(look, async () => {
    const sent = await load.run(seconds);
    await untilDelivered(look);
    return sent;
  });
  const spans = busy.result * SPANS_PER_REQUEST;
  const sockets = host.openSockets();
  await load.close();
  return {
    cpu_us_per_span: round((busy.cpu * 1e6) / spans),
    redis_cpu_us_per_span: round((busy.redisCpu * 1e6) / spans),
    redis_commands_per_span: round(busy.commands / spans),
    spans_per_batch: round(spans / busy.batches),
    ingest_sockets: sockets,
  };
}

interface Seen {
  readonly atMs: number;
  readonly cpu: number;
  readonly redisCpu: number;
  readonly commands: number;
  readonly connections: number;
  readonly batches: number;
}

type Look = () => Promise<Seen>;

function lookAt(host: ReplicaHost, sinks: Sinks, admin: Redis): Look {
  return async () => {
    const info = await admin.info();
    const field = (name: string) => Number(new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]);
    return {
      atMs: performance.now(),
      cpu: await host.cpuSeconds(),
      redisCpu: field('used_cpu_user') + field('used_cpu_sys'),
      commands: field('total_commands_processed'),
      connections: field('connected_clients') - 1,
      batches: (await sinks.tell({ kind: 'count' })).batches,
    };
  };
}

async function between<T>(look: Look, work: () => Promise<T>) {
  const before = await look();
  const result = await work();
  const after = await look();
  return {
    result,
    seconds: (after.atMs - before.atMs) / 1000,
    cpu: after.cpu - before.cpu,
    redisCpu: after.redisCpu - before.redisCpu,
    commands: after.commands - before.commands,
    batches: after.batches - before.batches,
  };
}

async function untilDelivered(look: Look): Promise<void> {
  for (let before = -1; ; ) {
    const { batches } = await look();
    if (batches === before) return;
    before = batches;
    await sleep(300);
  }
}

const TRIES = 10;

async function untilTaken(sender: Sender, body: Buffer): Promise<void> {
  for (let left = TRIES; ; left--) {
    try {
      await sender.send(body);
      return;
    } catch (error) {
      if (left === 0) throw error;
      await sleep(1000);
    }
  }
}

/** Requests at a fixed rate, to one replica after the other. */
function createLoad(urls: readonly string[]) {
  const planFor = (target: string): LoadPlan => ({
    target,
    transport: 'http',
    signal: 'traces',
    recordsPerRequest: SPANS_PER_REQUEST,
    recordsPerKey: 10,
    seconds: 0,
    rate: undefined,
    concurrency: 4,
    seed: 1,
  });
  const nextBody = createBodies(planFor(''));
  const senders = urls.map(url => createSender(planFor(url)));
  let sent = 0;
  return {
    /** How many requests were taken; one that is refused for now comes again, as those of real senders do. */
    async run(seconds: number): Promise<number> {
      const wanted = Math.ceil(seconds * REQUESTS_PER_SECOND);
      const startMs = performance.now();
      const sending: Promise<unknown>[] = [];
      for (let request = 0; request < wanted; request++) {
        const earlyMs = startMs + (1000 * request) / REQUESTS_PER_SECOND - performance.now();
        if (earlyMs > 0) await sleep(earlyMs);
        sending.push(untilTaken(senders[sent++ % senders.length] as Sender, nextBody()));
      }
      await Promise.all(sending);
      return wanted;
    },
    async close() {
      for (const sender of senders) await sender.close();
    },
  };
}
