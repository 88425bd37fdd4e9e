import { join } from 'node:path';
import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { createIngest, type Ingest } from '../../ingest/create-ingest.ts';
import type { BatchQueue } from '../../ingest/queue/batch-queue.ts';
import { createBullmqQueue } from '../../ingest/queue/bullmq-queue.ts';
import { createLmdbQueue } from '../../ingest/queue/lmdb-queue.ts';
import { createQuery, type QueryProxy } from '../../query/create-query.ts';
import { createShard, type Shard } from '../../shard/create-shard.ts';
import { UnusableDataError } from '../../shard/store/unusable-data-error.ts';
import type { Config } from '../../shared/config/schema.ts';
import { lockFolder } from '../../shared/folder-lock.ts';
import { systemClock } from '../../shared/time.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import type { Topology } from '../../shared/topology/topology.ts';
import { UserError } from '../exit-codes.ts';
import { listenError } from '../serve.ts';

/*
 * From configuration to running parts: the one place where `delivery.timeout` becomes `sendTimeoutMs` and where the
 * clock, chance and the backend of the queue are chosen.
 */

interface IngestParts {
  readonly config: Config;
  readonly topology: Topology;
  readonly hash: Hash;
  readonly logger: Logger;
  /** False where the query proxy of the same process answers health checks. */
  readonly withHealth: boolean;
}

/** Idle lanes look at their queue this often; this process's own batches wake them at once. */
const IDLE_POLL_MS = 500;
/** A claim outlives the send it is for, so that no other replica sends the batch meanwhile. */
const LEASE_MARGIN_MS = 5_000;

export async function startIngest({
  config,
  topology,
  hash,
  logger,
  withHealth,
}: IngestParts): Promise<Ingest> {
  const { ingest, delivery } = config;
  const queue = await openQueue({ config, topology, logger });
  try {
    return await createIngest({
      http: ingest.http,
      grpc: ingest.grpc,
      ...(withHealth && { health: ingest.health }),
      maxRequestBytes: ingest.maxRequestBytes,
      maxBytesInFlight: ingest.maxBytesInFlight,
      maxConcurrentRequests: ingest.maxConcurrentRequests,
      maxEventLoopDelayMs: ingest.maxEventLoopDelay,
      grpcMaxConnectionAgeMs: ingest.grpcMaxConnectionAge,
      corsOrigins: ingest.corsOrigins,
      topology,
      hash,
      queue,
      maxQueueBytes: config.queue.maxBytes,
      maxShardQueueBytes: config.queue.maxShardBytes,
      batchBytes: config.queue.batchBytes,
      lane: {
        concurrency: delivery.concurrency,
        retryInitialMs: delivery.retryInitial,
        retryMaxMs: delivery.retryMax,
        horizonMs: delivery.horizon,
        idlePollMs: IDLE_POLL_MS,
      },
      sendTimeoutMs: delivery.timeout,
      newId: uuidv7,
      clock: systemClock,
      random: Math.random,
      logger,
    });
  } catch (error) {
    throw listenError(error);
  }
}

interface QueueParts {
  readonly config: Config;
  readonly topology: Topology;
  readonly logger: Logger;
}

async function openQueue({ config, topology, logger }: QueueParts): Promise<BatchQueue> {
  const leaseMs = config.delivery.timeout + LEASE_MARGIN_MS;
  const { url } = config.queue.redis;
  if (url !== undefined) {
    const shards = topology.shards.map(shard => shard.id);
    return createBullmqQueue({ url, shards, leaseMs, clock: systemClock, logger });
  }
  const dir = join(config.dataDir, 'queue');
  const release = holdFolder(dir);
  const queue = await createLmdbQueue({ dir, leaseMs, clock: systemClock, logger });
  return { ...queue, stop: () => queue.stop().finally(release) };
}

export async function startQuery(config: Config, topology: Topology, logger: Logger): Promise<QueryProxy> {
  const { query } = config;
  try {
    return await createQuery({
      host: query.http.host,
      port: query.http.port,
      topology: () => topology,
      timeoutMs: query.timeout,
      maxRows: query.maxRows,
      readyQuorum: query.readyQuorum,
      logger,
      clock: systemClock,
    });
  } catch (error) {
    throw listenError(error);
  }
}

/** Several shards may share one data folder: each has its own below `shards/`. */
export function shardFolder(dataDir: string, id: string): string {
  return join(dataDir, 'shards', id);
}

export async function startShard(config: Config, id: string, logger: Logger): Promise<Shard> {
  const { shard, ingest } = config;
  try {
    return await createShard({
      dataDir: shardFolder(config.dataDir, id),
      otlp: shard.otlp,
      read: shard.read,
      maxRequestBytes: ingest.maxRequestBytes,
      memoryLimitBytes: shard.memoryLimit,
      threads: shard.threads,
      repeatWindowMs: shard.repeatWindow,
      batchMemoryMs: shard.batchMemory,
      logger,
      clock: systemClock,
    });
  } catch (error) {
    if (error instanceof UnusableDataError) throw new UserError(error.message);
    throw listenError(error);
  }
}

/** Makes the folder this process's own. The release is for the end of a clean stop; the kernel does it otherwise. */
export function holdFolder(dir: string): () => void {
  const lock = lockFolder(dir);
  switch (lock.kind) {
    case 'locked':
      return lock.release;
    case 'in use':
      throw new UserError(`data folder ${dir} is in use by another otelfan process`);
    case 'unusable':
      throw new UserError(`data folder ${dir} cannot be used: ${lock.reason}`);
    default:
      return lock satisfies never;
  }
}
