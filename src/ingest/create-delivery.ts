import type { Logger } from 'pino';
import { type Component, once, stopAll } from '../shared/lifecycle.ts';
import type { Clock } from '../shared/time.ts';
import type { ShardSpec } from '../shared/topology/topology.ts';
import type { TopologySource } from '../shared/topology/topology-source.ts';
import { createLane, type LaneOptions } from './delivery/lane.ts';
import { createShardSender } from './delivery/shard-sender.ts';
import { createLaneSet } from './lane-set.ts';
import type { BatchQueue } from './queue/batch-queue.ts';
import { laneMetrics } from './telemetry/lane-metrics.ts';
import { queueMetrics } from './telemetry/queue-metrics.ts';
import type { Telemetry } from './telemetry/telemetry.ts';
import { topologyMetrics } from './telemetry/topology-metrics.ts';

export interface DeliveryOptions {
  readonly topology: TopologySource;
  /** Not stopped with delivery. */
  readonly queue: BatchQueue;
  readonly maxShardBytes: number;
  readonly maxQueueBytes: number;
  readonly lane: LaneOptions;
  readonly sendTimeoutMs: number;
  readonly clock: Clock;
  /** For pauses and durations; does not jump. */
  readonly steady: Clock;
  readonly random: () => number;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
}

/** Batches are held for hours or days; hearing of it within a few seconds will do. */
const HELD_INTERVAL_MS = 5000;
const MS_PER_SECOND = 1000;

/**
 * The half of ingest that begins at the queue: a lane for each shard, and the metrics of what waits and of what is on
 * the way. There is one in each replica. `stop` lets the sends in hand come to an end.
 */
export function createDelivery(options: DeliveryOptions): Component {
  const { topology, queue, telemetry, clock, steady, random, logger } = options;
  const laneFor = ({ id, kind, otlp }: ShardSpec) => {
    const timeoutMs = options.sendTimeoutMs;
    const sender = createShardSender({ kind, shard: id, baseUrl: otlp, timeoutMs, clock });
    const lane = createLane({
      shard: id,
      queue,
      send: sender.send,
      options: options.lane,
      events: telemetry.events,
      clock,
      steady,
      random,
      logger,
    });
    return { ...lane, stop: once(() => stopAll([lane, sender])) };
  };
  const lanes = createLaneSet({ topology, queue, laneFor, lookIntervalMs: HELD_INTERVAL_MS, logger });
  const shards = () => topology.current().all.map(shard => shard.id);
  const { maxShardBytes, maxQueueBytes } = options;
  telemetry.onSnapshot(queueMetrics({ queue, shards, maxShardBytes, maxQueueBytes, clock, logger }));
  telemetry.onSnapshot(metrics =>
    metrics.otelfan_delivery_horizon_seconds.set(options.lane.horizonMs / MS_PER_SECOND),
  );
  telemetry.onSnapshot(laneMetrics(lanes.states));
  telemetry.onSnapshot(topologyMetrics(topology.current));
  return lanes;
}
