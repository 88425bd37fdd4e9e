import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { createDoors, type Doors, type Listener } from '../../ingest/create-doors.ts';
import { createIngest, type FrontDoors, type Ingest } from '../../ingest/create-ingest.ts';
import type { BatchQueue } from '../../ingest/queue/batch-queue.ts';
import type { BullBoard } from '../../ingest/queue/bull-board.ts';
import { type MetricsListener, QUEUES_PATH } from '../../ingest/telemetry/metrics-server.ts';
import { createTelemetry, type Telemetry } from '../../ingest/telemetry/telemetry.ts';
import type { Config } from '../../shared/config/schema.ts';
import { steadyClock, systemClock } from '../../shared/time.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import type { Topology } from '../../shared/topology/topology.ts';
import type { TopologySource } from '../../shared/topology/topology-source.ts';
import { listenError } from '../serve.ts';
import { version } from '../version.ts';
import { openQueue } from './queue.ts';

/*
 * From configuration to a running replica of ingest, in one process or several: the one place where
 * `delivery.timeout` becomes `sendTimeoutMs` and where clock and chance are chosen.
 */

interface IngestParts {
  readonly config: Config;
  /** Not stopped with ingest: the query proxy of the same process may follow it, too. */
  readonly topology: TopologySource;
  readonly hash: Hash;
  readonly logger: Logger;
  /** Processes that take requests; with one it is this process itself. */
  readonly workers: number;
  /** Left out where the query proxy of the same process answers health checks. */
  readonly health?: Listener;
  readonly metrics: MetricsListener;
}

/** The CLI itself, which every further process runs. */
export const ENTRY = fileURLToPath(new URL('../../../bin/otelfan.mjs', import.meta.url));

/** Idle lanes look at their queue this often; batches of this replica wake them at once. */
const IDLE_POLL_MS = 500;

/** `ingest.workers`, where 0 leaves a core for delivery, and for Redis or the shards. */
export function workerCount({ ingest }: Config): number {
  return ingest.workers === 0 ? Math.max(1, availableParallelism() - 1) : ingest.workers;
}

export async function startIngest(parts: IngestParts): Promise<Ingest> {
  const { config, topology, logger, workers } = parts;
  const { delivery } = config;
  const shards = () => topology.current().all.map(shard => shard.id);
  const telemetry = createTelemetry('primary');
  telemetry.onSnapshot(metrics => metrics.otelfan_build_info.set({ version: version() }, 1));
  const queue = await openQueue({ config, shards: shards(), logger });
  const allShards = async () => [...new Set([...shards(), ...(await queue.shards())])];
  const front =
    workers === 1 ? inThisProcess({ ...parts, queue, telemetry }) : inWorkers({ ...parts, telemetry });
  const bullBoard = await openBullBoard({ config, shards: allShards, logger });
  try {
    return await createIngest({
      openDoors: front.open,
      queue: { ...queue, onEnqueued: front.onEnqueued ?? queue.onEnqueued },
      ...(parts.health !== undefined && { health: parts.health }),
      metrics: parts.metrics,
      ...(bullBoard !== undefined && { bullBoard }),
      topology,
      maxShardBytes: config.queue.maxShardBytes,
      maxQueueBytes: config.queue.maxBytes,
      lane: {
        concurrency: delivery.concurrency,
        retryInitialMs: delivery.retryInitial,
        retryMaxMs: delivery.retryMax,
        horizonMs: delivery.horizon,
        idlePollMs: IDLE_POLL_MS,
      },
      sendTimeoutMs: delivery.timeout,
      clock: systemClock,
      steady: steadyClock,
      random: Math.random,
      telemetry,
      logger,
    });
  } catch (error) {
    throw listenError(error);
  }
}

export interface DoorsParts {
  readonly config: Config;
  readonly topology: () => Topology;
  readonly hash: Hash;
  readonly queue: BatchQueue;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
}

export async function startDoors({ config, ...parts }: DoorsParts): Promise<Doors> {
  const { ingest, queue } = config;
  try {
    return await createDoors({
      ...parts,
      http: ingest.http,
      grpc: ingest.grpc,
      maxRequestBytes: ingest.maxRequestBytes,
      maxBytesInFlight: ingest.maxBytesInFlight,
      maxConcurrentRequests: ingest.maxConcurrentRequests,
      maxEventLoopDelayMs: ingest.maxEventLoopDelay,
      grpcMaxConnectionAgeMs: ingest.grpcMaxConnectionAge,
      corsOrigins: ingest.corsOrigins,
      maxQueueBytes: queue.maxBytes,
      maxShardBytes: queue.maxShardBytes,
      onShardFull: queue.onShardFull,
      batchBytes: queue.batchBytes,
      storeTimeoutMs: ingest.storeTimeout,
      newId: uuidv7,
      clock: systemClock,
      steady: steadyClock,
      random: Math.random,
    });
  } catch (error) {
    throw listenError(error);
  }
}

/** The doors of a replica before they are open, and how its lanes hear of new batches. */
interface Front {
  readonly open: () => Promise<FrontDoors>;
  /** Left out where the queue of this process tells. */
  readonly onEnqueued?: BatchQueue['onEnqueued'];
}

function inThisProcess(parts: IngestParts & { queue: BatchQueue; telemetry: Telemetry }): Front {
  return {
    async open() {
      const doors = await startDoors({ ...parts, topology: parts.topology.current });
      return { ...doors, snapshots: () => Promise.resolve([]) };
    },
  };
}

function inWorkers(parts: IngestParts & { telemetry: Telemetry }): Front {
  const listeners = new Set<(shard: string) => void>();
  return {
    onEnqueued: listener => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async open() {
      const { startWorkers } = await import('./worker-pool.ts');
      return startWorkers({
        ...parts,
        count: parts.workers,
        entry: ENTRY,
        onEnqueued: shard => {
          for (const listener of listeners) listener(shard);
        },
      });
    },
  };
}

interface BullBoardParts {
  readonly config: Config;
  readonly shards: () => Promise<readonly string[]>;
  readonly logger: Logger;
}

async function openBullBoard({ config, shards, logger }: BullBoardParts): Promise<BullBoard | undefined> {
  const { url, cluster, bullBoard } = config.queue.redis;
  if (!bullBoard || url === undefined) return undefined;
  // Loaded on demand: hardly anybody wants it, and it brings a user interface along.
  const { createBullBoard } = await import('../../ingest/queue/bull-board.ts');
  return createBullBoard({ url, cluster, basePath: QUEUES_PATH, shards, logger });
}
