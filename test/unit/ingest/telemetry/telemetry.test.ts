import { describe, expect, it } from 'vitest';
import { countersOf, createTelemetry, mergeSnapshots } from '../../../../src/ingest/telemetry/telemetry.ts';
import { parseMetrics, sumOf } from '../../../support/metrics.ts';

const textOf = async (...snapshots: Parameters<typeof mergeSnapshots>[0]) =>
  parseMetrics(await mergeSnapshots(snapshots).metrics());

const received = {
  transport: 'http',
  signal: 'traces',
  accepted: 0,
  rejected: 0,
  shed: 0,
  refused: 0,
} as const;

describe('what ingest tells', () => {
  it('is counted as the Collector counts: accepted and refused add up to what came', async () => {
    const { events, snapshot } = createTelemetry('primary');
    events.received({ ...received, accepted: 10, rejected: 2, shed: 3 });
    events.received({ ...received, refused: 7, rejected: 1 });
    events.received({ ...received, signal: 'logs', transport: 'grpc', accepted: 5 });
    const series = await textOf(await snapshot());
    const spans = { receiver: 'otlp', transport: 'http' };
    expect(sumOf(series, 'otelcol_receiver_accepted_spans_total', spans)).toBe(10);
    expect(sumOf(series, 'otelcol_receiver_refused_spans_total', spans)).toBe(13);
    expect(sumOf(series, 'otelcol_receiver_accepted_log_records_total', { transport: 'grpc' })).toBe(5);
    expect(sumOf(series, 'otelfan_rejected_records_total', { signal: 'traces' })).toBe(3);
    // The second request was refused as a whole: its sender was not told of a partial success.
    expect(sumOf(series, 'otelfan_partial_success_total')).toBe(1);
  });

  it('counts what a shard got, what it will never get and what its queue had no room for', async () => {
    const { events, snapshot } = createTelemetry('primary');
    const sent = { shard: 's1', signal: 'metrics', records: 4, durationSeconds: 0.2 } as const;
    events.sent({ ...sent, outcome: 'retry' });
    events.sent({ ...sent, outcome: 'delivered' });
    events.sent({ ...sent, outcome: 'reject' });
    events.shardRefused({ shard: 's1', signal: 'metrics', records: 3 });
    events.deadLettered({ shard: 's1', signal: 'metrics', records: 1 });
    events.shed({ shard: 's1', signal: 'metrics', records: 9 });
    const series = await textOf(await snapshot());
    const exporter = { exporter: 'otelfan/s1' };
    expect(sumOf(series, 'otelcol_exporter_sent_metric_points_total', exporter)).toBe(4);
    expect(sumOf(series, 'otelcol_exporter_send_failed_metric_points_total', exporter)).toBe(1);
    expect(sumOf(series, 'otelcol_exporter_enqueue_failed_metric_points_total', exporter)).toBe(9);
    expect(sumOf(series, 'otelfan_shed_records_total', { shard: 's1' })).toBe(9);
    const refused = { shard: 's1', signal: 'metrics' };
    expect(sumOf(series, 'otelfan_shard_rejected_records_total', refused)).toBe(3);
    expect(sumOf(series, 'otelfan_delivery_attempts_total', { outcome: 'retry' })).toBe(1);
    expect(sumOf(series, 'otelfan_delivery_duration_seconds_count', { shard: 's1' })).toBe(3);
    expect(sumOf(series, 'otelfan_delivery_duration_seconds_bucket', { shard: 's1', le: '0.25' })).toBe(3);
    expect(sumOf(series, 'otelfan_delivery_duration_seconds_bucket', { shard: 's1', le: '0.1' })).toBe(0);
  });
});

describe('metrics of several processes', () => {
  const answered = {
    transport: 'http',
    signal: 'traces',
    condition: 'accepted',
    durationSeconds: 0.003,
  } as const;

  it('add up where they mean the replica, and stand beside each other where they mean a process', async () => {
    const first = createTelemetry('worker-1');
    const second = createTelemetry('worker-2');
    for (const { events } of [first, second, second]) events.answered(answered);
    const series = await textOf(await first.snapshot(), await second.snapshot());
    expect(sumOf(series, 'otelfan_request_duration_seconds_count')).toBe(3);
    expect(sumOf(series, 'otelfan_requests_total', { process: 'worker-2' })).toBe(2);
    const started = series.filter(({ name }) => name === 'process_start_time_seconds');
    expect(started.map(({ labels }) => labels.process)).toEqual(['worker-1', 'worker-2']);
  });

  it('survive the travel between processes as plain data', async () => {
    const { events, snapshot } = createTelemetry('worker-1');
    events.answered(answered);
    const travelled = structuredClone(await snapshot());
    expect(sumOf(await textOf(travelled), 'otelfan_requests_total')).toBe(1);
  });

  it('keep what a process had counted when it is gone, and nothing else of it', async () => {
    const gone = createTelemetry('worker-1');
    gone.events.answered(answered);
    gone.metrics.otelfan_bytes_in_flight.set({ process: 'worker-1' }, 1000);
    const kept = countersOf([countersOf([await gone.snapshot()]), await gone.snapshot()]);
    const series = await textOf(kept, await createTelemetry('worker-1').snapshot());
    expect(sumOf(series, 'otelfan_requests_total')).toBe(2);
    expect(sumOf(series, 'otelfan_request_duration_seconds_sum')).toBeCloseTo(0.006);
    expect(sumOf(series, 'otelfan_bytes_in_flight')).toBeUndefined();
    expect(kept.some(({ name }) => name.startsWith('process_'))).toBe(false);
  });
});
