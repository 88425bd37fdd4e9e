import type { IngestEvents } from '../ingest-events.ts';
import { type Metrics, RECORDS } from './metrics.ts';

/** The Collector's `receiver` label: there is one receiver, OTLP. */
const RECEIVER = 'otlp';

/** The Collector's `exporter` label of a lane: component type and name. */
export function exporterOf(shard: string): string {
  return `otelfan/${shard}`;
}

/** Counts what the parts of ingest tell. */
export function countEvents(metrics: Metrics, process: string): IngestEvents {
  return {
    answered({ transport, signal = '', condition, durationSeconds }) {
      metrics.otelfan_requests_total.inc({ process, transport, signal, condition });
      metrics.otelfan_request_duration_seconds.observe({ transport }, durationSeconds);
    },
    received({ transport, signal, accepted, rejected, shed, refused }) {
      const labels = { receiver: RECEIVER, transport };
      const records = RECORDS[signal];
      metrics[`otelcol_receiver_accepted_${records}_total`].inc(labels, accepted);
      metrics[`otelcol_receiver_refused_${records}_total`].inc(labels, rejected + shed + refused);
      metrics.otelfan_rejected_records_total.inc({ transport, signal }, rejected);
      if (refused === 0 && rejected + shed > 0)
        metrics.otelfan_partial_success_total.inc({ transport, signal });
    },
    shed({ shard, signal, records }) {
      metrics.otelfan_shed_records_total.inc({ shard, signal }, records);
      metrics[`otelcol_exporter_enqueue_failed_${RECORDS[signal]}_total`].inc(
        { exporter: exporterOf(shard) },
        records,
      );
    },
    sent({ shard, signal, records, outcome, durationSeconds }) {
      metrics.otelfan_delivery_attempts_total.inc({ shard, signal, outcome });
      metrics.otelfan_delivery_duration_seconds.observe({ shard }, durationSeconds);
      if (outcome !== 'delivered') return;
      metrics[`otelcol_exporter_sent_${RECORDS[signal]}_total`].inc({ exporter: exporterOf(shard) }, records);
    },
    shardRefused({ shard, signal, records }) {
      metrics.otelfan_shard_rejected_records_total.inc({ shard, signal }, records);
    },
    // The Collector counts a failure when it gives up, not when it tries again.
    deadLettered({ shard, signal, records }) {
      metrics[`otelcol_exporter_send_failed_${RECORDS[signal]}_total`].inc(
        { exporter: exporterOf(shard) },
        records,
      );
    },
  };
}
