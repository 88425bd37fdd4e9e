import type { Logger } from 'pino';
import { createBufferPool } from '../shared/buffer-pool.ts';
import { type Component, once, stopAll } from '../shared/lifecycle.ts';
import { createLoopDelay, loopDelayReason } from '../shared/loop-delay.ts';
import { createAdmission } from '../shared/otlp/admission.ts';
import { createOtlpGrpcServer } from '../shared/otlp/grpc-server.ts';
import { createOtlpHttpServer } from '../shared/otlp/http-server.ts';
import { createJsonTranscoder } from '../shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../shared/otlp/messages.ts';
import type { Clock } from '../shared/time.ts';
import type { Hash } from '../shared/topology/hash.ts';
import type { Topology } from '../shared/topology/topology.ts';
import { createBatcher } from './batcher.ts';
import { createHotKeys } from './hot-keys.ts';
import { createPartition } from './partition/partition.ts';
import type { BatchQueue } from './queue/batch-queue.ts';
import { countStored, createQueueWatch } from './queue-watch.ts';
import { createReceiver } from './receiver.ts';
import { admissionMetrics, countRefusals } from './telemetry/admission-metrics.ts';
import { hotKeyMetrics } from './telemetry/hot-key-metrics.ts';
import type { Telemetry } from './telemetry/telemetry.ts';

export interface Listener {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface DoorsOptions {
  readonly http: Listener;
  readonly grpc: Listener;
  readonly maxRequestBytes: number;
  readonly maxBytesInFlight: number;
  readonly maxConcurrentRequests: number;
  readonly maxEventLoopDelayMs: number;
  readonly grpcMaxConnectionAgeMs: number;
  readonly corsOrigins: string;
  readonly topology: () => Topology;
  readonly hash: Hash;
  /** Not stopped with the doors. */
  readonly queue: BatchQueue;
  readonly maxQueueBytes: number;
  readonly maxShardBytes: number;
  readonly onShardFull: 'shed' | 'reject';
  readonly batchBytes: number;
  readonly storeTimeoutMs: number;
  readonly newId: () => string;
  readonly clock: Clock;
  /** For pauses and durations; does not jump. */
  readonly steady: Clock;
  /** Evenly from [0, 1). */
  readonly random: () => number;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
}

/** Where requests come in. `stop` takes nothing more, and resolves when what came in is stored and answered. */
export interface Doors extends Component {
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Why every request is refused, or `undefined` when they are taken. */
  refusalReason(): string | undefined;
}

const QUEUE_LOOK_INTERVAL_MS = 500;
/** Kept for requests to come: what a worker at full speed has in hand. */
const MAX_POOLED_BYTES = 32 * 1024 ** 2;

/**
 * The half of ingest that takes requests and ends at the queue; there is one in each worker. Rejects when an address
 * cannot be bound; what was started by then is stopped again.
 */
export async function createDoors(options: DoorsOptions): Promise<Doors> {
  const { topology, hash, queue, clock, steady, telemetry, logger } = options;
  const watch = createQueueWatch({
    queue,
    shards: () => topology().active.map(shard => shard.id),
    maxShardBytes: options.maxShardBytes,
    maxBytes: options.maxQueueBytes,
    intervalMs: QUEUE_LOOK_INTERVAL_MS,
    logger,
  });
  const loopDelay = createLoopDelay(() => performance.now());
  const lateReason = loopDelayReason(loopDelay, options.maxEventLoopDelayMs, 'ingest.maxEventLoopDelay');
  const refusals = countRefusals(telemetry);
  const buffers = createBufferPool(MAX_POOLED_BYTES);
  const admission = createAdmission({
    bytesInFlight: {
      most: options.maxBytesInFlight,
      remedy: 'raise ingest.maxBytesInFlight or add replicas',
      onRefused: () => refusals.add('bytes_in_flight'),
    },
    requests: {
      most: options.maxConcurrentRequests,
      remedy: 'raise ingest.maxConcurrentRequests or add replicas',
      onRefused: () => refusals.add('requests'),
    },
    reasons: [
      refusals.counted('queue', watch.closedReason),
      refusals.counted('event_loop_delay', lateReason),
    ],
    buffers,
  });
  telemetry.onSnapshot(admissionMetrics({ admission, loopDelay, process: telemetry.process }));
  const batcher = createBatcher({
    queue: countStored(queue, watch),
    batchBytes: options.batchBytes,
    newId: options.newId,
    buffers,
    clock,
    steady,
  });
  const types = createOtlpTypes();
  const hotKeys = createHotKeys(steady);
  telemetry.onSnapshot(hotKeyMetrics(hotKeys.top));
  const handle = createReceiver({
    topology,
    partition: createPartition(types),
    hash,
    batcher,
    fullReason: watch.fullReason,
    onShardFull: options.onShardFull,
    storeTimeoutMs: options.storeTimeoutMs,
    events: telemetry.events,
    hotKeys,
    buffers,
    maxSliceBytes: options.maxBytesInFlight,
    steady,
  });
  const door = {
    maxRequestBytes: options.maxRequestBytes,
    admission,
    handle,
    onAnswered: telemetry.events.answered,
    logger,
  };
  const open: Component[] = [];
  const stop = once(() => stopAll([...open, { stop: () => batcher.drain() }, watch, loopDelay]));
  try {
    const http = await createOtlpHttpServer({
      ...door,
      ...options.http,
      transcoder: createJsonTranscoder(types),
      corsOrigins: options.corsOrigins,
    });
    open.push(http);
    const grpc = await createOtlpGrpcServer({
      ...door,
      ...options.grpc,
      maxConnectionAgeMs: options.grpcMaxConnectionAgeMs,
      clock: steady,
      random: options.random,
    });
    open.push(grpc);
    return {
      httpPort: http.port,
      grpcPort: grpc.port,
      refusalReason: () => watch.closedReason() ?? lateReason(),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
