import { AggregatorRegistry, Registry } from 'prom-client';
import { registerMetrics } from '../../shared/telemetry/metric-spec.ts';
import { createProcessRegistry } from '../../shared/telemetry/process-registry.ts';
import type { IngestEvents } from '../ingest-events.ts';
import { countEvents } from './event-metrics.ts';
import { METRICS, type Metrics } from './metrics.ts';

/** The metrics of one process of a replica. */
export interface Telemetry {
  /** Name of the process within its replica, the label of what cannot be added up. */
  readonly process: string;
  readonly metrics: Metrics;
  readonly events: IngestEvents;
  /** Brings up to date what is looked up rather than counted, just before it is read. Has to end by itself. */
  onSnapshot(collect: (metrics: Metrics) => void | Promise<void>): void;
  /** Everything, as plain data that travels between processes. */
  snapshot(): Promise<MetricsSnapshot>;
}

export type MetricsSnapshot = readonly MetricValues[];

interface MetricValues {
  readonly name: string;
  readonly type: unknown;
  readonly aggregator: string;
  readonly values: readonly unknown[];
}

export function createTelemetry(process: string): Telemetry {
  const registry = new Registry();
  const metrics = registerMetrics(METRICS, registry);
  const processRegistry = createProcessRegistry(process);
  const collectors: ((metrics: Metrics) => void | Promise<void>)[] = [];
  return {
    process,
    metrics,
    events: countEvents(metrics, process),
    onSnapshot: collect => void collectors.push(collect),
    async snapshot() {
      await Promise.all(collectors.map(async collect => collect(metrics)));
      const [own, ofProcess] = await Promise.all([
        registry.getMetricsAsJSON(),
        processRegistry.getMetricsAsJSON(),
      ]);
      return [...own, ...ofProcess];
    },
  };
}

/** Adds up the series that several processes have in common. */
export function mergeSnapshots(snapshots: readonly MetricsSnapshot[]): Registry {
  // prom-client leaves out or averages some process metrics, which is for series without a label of their own.
  const summed = snapshots.map(snapshot => snapshot.map(metric => ({ ...metric, aggregator: 'sum' })));
  return AggregatorRegistry.aggregate(summed);
}

/** What must not go back when the process that counted it is gone. */
export function countersOf(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
  const counted = snapshots.map(snapshot =>
    snapshot.filter(
      ({ type, name }) => name.startsWith('otel') && (type === 'counter' || type === 'histogram'),
    ),
  );
  return mergeSnapshots(counted).getMetricsAsArray() as unknown as MetricsSnapshot;
}
