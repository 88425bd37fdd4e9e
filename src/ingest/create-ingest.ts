import type { Logger } from 'pino';
import type { HttpListener } from '../shared/http-listener.ts';
import { type Component, once, stopAll } from '../shared/lifecycle.ts';
import { createByteBudget } from '../shared/otlp/byte-budget.ts';
import { createOtlpGrpcServer } from '../shared/otlp/grpc-server.ts';
import { createOtlpHttpServer } from '../shared/otlp/http-server.ts';
import { createJsonTranscoder } from '../shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../shared/otlp/messages.ts';
import { createWireCheck } from '../shared/otlp/wire-check.ts';
import type { Clock } from '../shared/time.ts';
import type { Hash } from '../shared/topology/hash.ts';
import type { ShardSpec } from '../shared/topology/topology.ts';
import type { TopologySource } from '../shared/topology/topology-source.ts';
import { createBatcher } from './batcher.ts';
import { createLane, type LaneOptions } from './delivery/lane.ts';
import { createShardSender } from './delivery/shard-sender.ts';
import { createHealthServer } from './health-server.ts';
import { createLaneSet } from './lane-set.ts';
import type { BatchQueue } from './queue/batch-queue.ts';
import { createQueueQuota } from './quota.ts';
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
  /** Its active shards are of kind `embedded`. */
  readonly topology: TopologySource;
  readonly hash: Hash;
  /** Stopped with ingest. */
  readonly queue: BatchQueue;
  readonly maxQueueBytes: number;
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

const QUOTA_INTERVAL_MS = 1000;
/** Batches are held for hours or days; hearing of it within a few seconds will do. */
const HELD_INTERVAL_MS = 5000;

/** The ingest router. Rejects when an address cannot be bound; what was started by then is stopped again. */
export async function createIngest(options: IngestOptions): Promise<Ingest> {
  const { topology, hash, queue, clock, random, logger } = options;
  const quota = createQueueQuota({
    queue,
    shards: () => topology.current().active.map(shard => shard.id),
    maxBytes: options.maxQueueBytes,
    intervalMs: QUOTA_INTERVAL_MS,
    logger,
  });
  const batcher = createBatcher({ queue, batchBytes: options.batchBytes, newId: options.newId, clock });
  const types = createOtlpTypes();
  const check = createWireCheck(types);
  const handle = createReceiver({
    topology: topology.current,
    check,
    hash,
    batcher,
    fullReason: quota.fullReason,
  });
  const laneFor = ({ id, otlp }: ShardSpec) => {
    const sender = createShardSender({ shard: id, baseUrl: otlp, timeoutMs: options.sendTimeoutMs });
    const lane = createLane({
      shard: id,
      queue,
      send: sender.send,
      options: options.lane,
      clock,
      random,
      logger,
    });
    return { ...lane, state: () => undefined, stop: once(() => stopAll([lane, sender])) };
  };
  const lanes = createLaneSet({ topology, queue, laneFor, lookIntervalMs: HELD_INTERVAL_MS, logger });

  const door = {
    maxRequestBytes: options.maxRequestBytes,
    budget: createByteBudget(options.maxBytesInFlight),
    handle,
    logger,
  };
  // Stopped from the outside in: nothing new comes in, what came in is stored, what is being sent is settled.
  const behindTheDoors: Component[] = [{ stop: () => batcher.drain() }, quota, lanes, queue];
  const doors: Component[] = [];
  try {
    const transcoder = createJsonTranscoder(types);
    const http = await createOtlpHttpServer({ ...door, ...options.http, transcoder });
    doors.push(http);
    const grpc = await createOtlpGrpcServer({ ...door, ...options.grpc });
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
