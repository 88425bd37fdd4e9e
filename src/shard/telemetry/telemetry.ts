import { Registry } from 'prom-client';
import { registerMetrics } from '../../shared/telemetry/metric-spec.ts';
import { createProcessRegistry } from '../../shared/telemetry/process-registry.ts';
import { sizeOf } from '../store/data-folder.ts';
import type { Database } from '../store/database.ts';
import type { DiskReserve } from '../store/disk-reserve.ts';
import type { Maintenance } from '../store/maintenance.ts';
import { SHARD_METRICS } from './metrics.ts';

export interface ShardTelemetryOptions {
  readonly version: string;
  readonly database: Pick<Database, 'path' | 'checkpointBytes'>;
  readonly reserve: Pick<DiskReserve, 'look'>;
  readonly minFreeBytes: number;
  readonly maintenance: Pick<Maintenance, 'failedRounds' | 'retainedAtMs'>;
  /** Why writes are not taken; `undefined` when they are. */
  readonly refusal: () => string | undefined;
}

/** Everything in the Prometheus text format. */
export interface Scrape {
  readonly contentType: string;
  readonly text: string;
}

const MS_PER_SECOND = 1000;

/** The metrics of a shard, looked up when they are read. The database is not asked: they are to be had without it. */
export function createShardTelemetry(options: ShardTelemetryOptions): () => Promise<Scrape> {
  const { database, reserve, maintenance } = options;
  const registry = new Registry();
  const metrics = registerMetrics(SHARD_METRICS, registry);
  const processRegistry = createProcessRegistry('shard');
  metrics.otelfan_build_info.set({ version: options.version }, 1);
  metrics.otelfan_shard_disk_reserve_bytes.set(options.minFreeBytes);
  metrics.otelfan_shard_checkpoint_bytes.set(database.checkpointBytes);

  return async () => {
    const [{ diskBytes, walBytes }, databaseBytes] = await Promise.all([
      reserve.look(),
      sizeOf(database.path),
    ]);
    metrics.otelfan_shard_writable.set(options.refusal() === undefined ? 1 : 0);
    metrics.otelfan_shard_disk_free_bytes.set(diskBytes);
    metrics.otelfan_shard_wal_bytes.set(walBytes);
    metrics.otelfan_shard_database_bytes.set(databaseBytes);
    metrics.otelfan_shard_retention_timestamp_seconds.set(maintenance.retainedAtMs() / MS_PER_SECOND);
    metrics.otelfan_shard_maintenance_failures_total.reset();
    metrics.otelfan_shard_maintenance_failures_total.inc(maintenance.failedRounds());
    const texts = await Promise.all([registry.metrics(), processRegistry.metrics()]);
    return { contentType: registry.contentType, text: texts.join('\n') };
  };
}
