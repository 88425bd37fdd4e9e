import type { Logger } from 'pino';
import type { HttpListener } from '../shared/http-listener.ts';
import { type Component, once, stopAll } from '../shared/lifecycle.ts';
import { createLoopDelay, loopDelayReason } from '../shared/loop-delay.ts';
import { createAdmission } from '../shared/otlp/admission.ts';
import { createOtlpGrpcServer } from '../shared/otlp/grpc-server.ts';
import { createOtlpHttpServer } from '../shared/otlp/http-server.ts';
import { createJsonTranscoder } from '../shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../shared/otlp/messages.ts';
import { createWireCheck } from '../shared/otlp/wire-check.ts';
import type { Clock } from '../shared/time.ts';
import type { Hash } from '../shared/topology/hash.ts';
import type { Topology } from '../shared/topology/topology.ts';
import { createBatcher } from './batcher.ts';
import { createLane, type LaneOptions } from './delivery/lane.ts';
import { createShardSender } from './delivery/shard-sender.ts';
import { createHealthServer } from './health-server.ts';
import type { BatchQueue } from './queue/batch-queue.ts';
import { countStored, createQueueWatch } from './queue-watch.ts';
import { createReceiver } from './receiver.ts';

interface Listener {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface IngestOptions {
  readonly http: Listener;
  readonly grpc: Listener;
  /** Left out where another process answers for this one. */
  readonly health?: Listener;
  readonly maxRequestBytes: number;
  readonly maxBytesInFlight: number;
  readonly maxConcurrentRequests: number;
  readonly maxEventLoopDelayMs: number;
  readonly grpcMaxConnectionAgeMs: number;
  readonly corsOrigins: string;
  /** Its active shards are of kind `embedded`. */
  readonly topology: Topology;
  readonly hash: Hash;
  /** Stopped with ingest. */
  readonly queue: BatchQueue;
  readonly maxQueueBytes: number;
  readonly maxShardQueueBytes: number;
  readonly batchBytes: number;
  readonly lane: LaneOptions;
  readonly sendTimeoutMs: number;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

export interface Ingest extends Component {
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly healthPort: number | undefined;
}

const QUEUE_LOOK_INTERVAL_MS = 500;

/** The ingest router. Rejects when an address cannot be bound; what was started by then is stopped again. */
export async function createIngest(options: IngestOptions): Promise<Ingest> {
  const { topology, hash, queue, clock, random, logger } = options;
  const shards = topology.shards.filter(shard => shard.kind === 'embedded');
  const watch = createQueueWatch({
    queue,
    shards: () => shards.map(shard => shard.id),
    maxShardBytes: options.maxShardQueueBytes,
    maxBytes: options.maxQueueBytes,
    intervalMs: QUEUE_LOOK_INTERVAL_MS,
    logger,
  });
  const loopDelay = createLoopDelay(() => performance.now());
  const batcher = createBatcher({
    queue: countStored(queue, watch),
    batchBytes: options.batchBytes,
    newId: options.newId,
    clock,
  });
  const types = createOtlpTypes();
  const check = createWireCheck(types);
  const handle = createReceiver({
    topology: () => topology,
    check,
    hash,
    batcher,
    fullReason: watch.fullReason,
  });
  const senders = shards.map(shard =>
    createShardSender({ shard: shard.id, baseUrl: shard.otlp, timeoutMs: options.sendTimeoutMs }),
  );
  const lanes = shards.map((shard, index) =>
    createLane({
      shard: shard.id,
      queue,
      send: (senders[index] as (typeof senders)[number]).send,
      options: options.lane,
      clock,
      random,
      logger,
    }),
  );

  const door = {
    maxRequestBytes: options.maxRequestBytes,
    admission: createAdmission({
      bytesInFlight: {
        most: options.maxBytesInFlight,
        remedy: 'raise ingest.maxBytesInFlight or add replicas',
      },
      requests: {
        most: options.maxConcurrentRequests,
        remedy: 'raise ingest.maxConcurrentRequests or add replicas',
      },
      reasons: [
        watch.closedReason,
        loopDelayReason(loopDelay, options.maxEventLoopDelayMs, 'ingest.maxEventLoopDelay'),
      ],
    }),
    handle,
    logger,
  };
  // Stopped from the outside in: nothing new comes in, what came in is stored, what is being sent is settled.
  const behindTheDoors: Component[] = [
    { stop: () => batcher.drain() },
    watch,
    loopDelay,
    { stop: async () => void (await Promise.all(lanes.map(lane => lane.stop()))) },
    ...senders,
    queue,
  ];
  const doors: Component[] = [];
  try {
    const transcoder = createJsonTranscoder(types);
    const http = await createOtlpHttpServer({
      ...door,
      ...options.http,
      transcoder,
      corsOrigins: options.corsOrigins,
    });
    doors.push(http);
    const grpc = await createOtlpGrpcServer({
      ...door,
      ...options.grpc,
      maxConnectionAgeMs: options.grpcMaxConnectionAgeMs,
      random,
    });
    doors.push(grpc);
    const health = await openHealth(options);
    if (health !== undefined) doors.push(health);
    return {
      httpPort: http.port,
      grpcPort: grpc.port,
      healthPort: health?.port,
      stop: once(() => stopAll([...doors, ...behindTheDoors])),
    };
  } catch (error) {
    await stopAll([...doors, ...behindTheDoors]);
    throw error;
  }
}

async function openHealth({ health, queue }: IngestOptions): Promise<HttpListener | undefined> {
  if (health === undefined) return undefined;
  return createHealthServer({ ...health, unreadyReason: () => queue.unavailableReason() });
}
