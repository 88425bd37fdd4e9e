import type { Logger } from 'pino';
import { SIGNALS, type Signal } from '../../shared/otlp/signal.ts';
import type { Clock } from '../../shared/time.ts';
import { createTurnLog } from '../../shared/turn-log.ts';
import { within } from '../../shared/within.ts';
import type { BatchQueue, LaneAudit, LaneStats, RecordCounts } from '../queue/batch-queue.ts';
import { exporterOf } from './event-metrics.ts';
import type { Metrics } from './metrics.ts';

interface QueueMetricsOptions {
  readonly queue: BatchQueue;
  /** Shards that are shown even before they ever had a batch. */
  readonly shards: () => readonly string[];
  /** `queue.maxShardBytes` and `queue.maxBytes`. */
  readonly maxShardBytes: number;
  readonly maxQueueBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Longest that reading metrics waits for the queue. Default 1 s. */
  readonly timeLimitMs?: number;
  /** Counting batch by batch is for once in a while. Default 30 s. */
  readonly auditIntervalMs?: number;
  /** A lane with more batches is not counted one by one. Default 100 000. */
  readonly maxAuditedBatches?: number;
}

const DEFAULT_TIME_LIMIT_MS = 1000;
const DEFAULT_AUDIT_INTERVAL_MS = 30_000;
/**
 * Redis answers nobody else while it counts: 100 000 batches take it 70 ms, a million over a second, which every
 * process that waits for it takes for its death.
 */
const DEFAULT_MAX_AUDITED_BATCHES = 100_000;

/**
 * Figures that the queue knows, read when metrics are. A lane that does not answer in time leaves its figures out and
 * `otelfan_queue_up` at 0; the queue is not asked again before it answered.
 */
export function queueMetrics(options: QueueMetricsOptions): (metrics: Metrics) => Promise<void> {
  const { queue, clock, timeLimitMs = DEFAULT_TIME_LIMIT_MS } = options;
  const { maxAuditedBatches = DEFAULT_MAX_AUDITED_BATCHES } = options;
  const audits = createAudits(options);
  const read = singleFlight(() => readLanes(queue, options.shards()));

  return async metrics => {
    const { lanes, isWhole } = (await within(timeLimitMs, read())) ?? { lanes: [], isWhole: false };
    const countable = lanes.filter(({ stats }) => stats.batches <= maxAuditedBatches);
    if (lanes.length > 0) audits.refresh(countable.map(({ shard }) => shard));
    await within(timeLimitMs, audits.underWay());
    for (const name of QUEUE_METRICS) metrics[name].reset();
    metrics.otelfan_queue_up.set(isWhole ? 1 : 0);
    const { risks, memoryShare = 0 } = queue.standing();
    metrics.otelfan_queue_risks.set(risks.length);
    metrics.otelfan_queue_memory_ratio.set(memoryShare);
    metrics.otelfan_queue_capacity_bytes.set(options.maxQueueBytes);
    for (const { shard, stats } of lanes) {
      setStats(metrics, { shard, stats, nowMs: clock.now() });
      metrics.otelcol_exporter_queue_capacity.set({ exporter: exporterOf(shard) }, options.maxShardBytes);
    }
    for (const { shard } of countable) {
      const audit = audits.latest().get(shard);
      if (audit !== undefined) setAudit(metrics, shard, audit);
    }
  };
}

interface Lanes {
  readonly lanes: readonly { readonly shard: string; readonly stats: LaneStats }[];
  /** Whether every lane answered, and the list of them was there. */
  readonly isWhole: boolean;
}

async function readLanes(
  queue: Pick<BatchQueue, 'shards' | 'stats'>,
  known: readonly string[],
): Promise<Lanes> {
  const found = await queue.shards().catch(() => undefined);
  const shards = [...new Set([...known, ...(found ?? [])])];
  const read = await Promise.allSettled(
    shards.map(async shard => ({ shard, stats: await queue.stats(shard) })),
  );
  const lanes = read.flatMap(lane => (lane.status === 'fulfilled' ? [lane.value] : []));
  return { lanes, isWhole: found !== undefined && lanes.length === shards.length };
}

/** Set anew each time, so that what is unknown is absent instead of old. */
const QUEUE_METRICS = [
  'otelcol_exporter_queue_size',
  'otelcol_exporter_queue_capacity',
  'otelfan_queue_batches',
  'otelfan_queue_bytes',
  'otelfan_queue_oldest_age_seconds',
  'otelfan_queue_records_total',
  'otelfan_dead_letters',
  'otelfan_unaccounted_records',
] as const;

function setStats(
  metrics: Metrics,
  { shard, stats, nowMs }: { shard: string; stats: LaneStats; nowMs: number },
): void {
  const { oldestAcceptedAtMs = nowMs } = stats;
  metrics.otelcol_exporter_queue_size.set({ exporter: exporterOf(shard) }, stats.sizeBytes);
  metrics.otelfan_queue_batches.set({ shard }, stats.batches);
  metrics.otelfan_queue_bytes.set({ shard }, stats.sizeBytes);
  metrics.otelfan_queue_oldest_age_seconds.set({ shard }, Math.max(0, nowMs - oldestAcceptedAtMs) / 1000);
  metrics.otelfan_dead_letters.set({ shard }, stats.deadBatches);
  for (const signal of SIGNALS) {
    const records = {
      accepted: stats.accepted[signal],
      delivered: stats.delivered[signal],
      dead_lettered: stats.deadLettered[signal],
      rerouted: stats.rerouted[signal],
    };
    for (const [event, count] of Object.entries(records)) {
      metrics.otelfan_queue_records_total.inc({ shard, signal, event }, count);
    }
  }
}

function setAudit(metrics: Metrics, shard: string, audit: LaneAudit): void {
  for (const signal of SIGNALS) {
    metrics.otelfan_unaccounted_records.set({ shard, signal }, unaccounted(audit)[signal]);
  }
}

/** Records that nobody can say the fate of; 0 unless there is a bug. */
export function unaccounted(audit: LaneAudit): RecordCounts {
  const of = (signal: Signal) =>
    audit.accepted[signal] -
    audit.queued[signal] -
    audit.delivered[signal] -
    audit.deadLettered[signal] -
    audit.rerouted[signal];
  return { traces: of('traces'), logs: of('logs'), metrics: of('metrics') };
}

function createAudits({
  queue,
  clock,
  logger,
  auditIntervalMs = DEFAULT_AUDIT_INTERVAL_MS,
}: QueueMetricsOptions) {
  let latest: ReadonlyMap<string, LaneAudit> = new Map();
  let lastAtMs = Number.NEGATIVE_INFINITY;
  let underWay: Promise<void> = Promise.resolve();
  let isUnderWay = false;
  const turns = createTurnLog<unknown>({
    bad: error => logger.warn({ err: error }, 'queue cannot be audited'),
    good: () => logger.info('queue can be audited again'),
  });

  async function audit(shards: readonly string[]): Promise<void> {
    try {
      const audits = new Map<string, LaneAudit>();
      // One after the other: each goes over every batch of its lane.
      for (const shard of shards) audits.set(shard, await queue.audit(shard));
      latest = audits;
      lastAtMs = clock.now();
      turns.good();
    } catch (error) {
      turns.bad(error);
    } finally {
      isUnderWay = false;
    }
  }

  return {
    latest: () => latest,
    underWay: () => underWay,
    refresh(shards: readonly string[]): void {
      const ageMs = clock.now() - lastAtMs;
      // A clock that was set back does not put an audit off.
      if (isUnderWay || (ageMs >= 0 && ageMs < auditIntervalMs)) return;
      isUnderWay = true;
      underWay = audit(shards);
    },
  };
}

/** Calls that come while one is under way share its outcome. */
function singleFlight<T>(work: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | undefined;
  return () => {
    underWay ??= work().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}
