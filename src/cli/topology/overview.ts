import type { LaneStats, RecordCounts } from '../../ingest/queue/batch-queue.ts';
import type { ShardSpec } from '../../shared/topology/topology.ts';
import type { HotKey } from './hot-keys.ts';

/** One shard of the topology, or a lane of the queue whose shard the topology does not have. */
export interface ShardLine {
  readonly id: string;
  readonly kind?: ShardSpec['kind'];
  readonly state: ShardSpec['state'] | 'held';
  readonly weight?: number;
  readonly slots: number;
  /** Of all slots. */
  readonly share: number;
  /** Absent when the queue did not say. */
  readonly queue?: LaneStats;
  /** Of all records that were ever accepted: the skew that there really is. */
  readonly acceptedShare?: number;
}

export interface Overview {
  readonly version: number;
  readonly shards: readonly ShardLine[];
  /** Why nothing is known of the queue. */
  readonly queueError?: string;
  readonly hotKeys?: readonly HotKey[];
  readonly hotKeysError?: string;
}

export function recordsOf({ traces, logs, metrics }: RecordCounts): number {
  return traces + logs + metrics;
}
