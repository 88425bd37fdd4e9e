import type { Signal } from '../../shared/otlp/signal.ts';
import {
  counter,
  gauge,
  type Instruments,
  type MetricSpec,
  type MetricSpecs,
  seconds,
} from '../../shared/telemetry/metric-spec.ts';
import { TOPOLOGY_METRICS } from '../../shared/telemetry/topology-metrics.ts';

/** What the OpenTelemetry Collector calls the records of a signal in its metric names. */
export const RECORDS = {
  traces: 'spans',
  logs: 'log_records',
  metrics: 'metric_points',
} as const satisfies Record<Signal, string>;

type PerSignal<P extends string, S> = { readonly [K in `${P}_${(typeof RECORDS)[Signal]}_total`]: S };

function perSignal<P extends string, S extends MetricSpec>(
  prefix: P,
  specOf: (noun: string) => S,
): PerSignal<P, S> {
  const entries = Object.values(RECORDS).map(
    records => [`${prefix}_${records}_total`, specOf(sentenceStart(records.replace('_', ' ')))] as const,
  );
  return Object.fromEntries(entries) as PerSignal<P, S>;
}

function sentenceStart(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const RECEIVER = ['receiver', 'transport'];

/**
 * Every metric of an ingest replica, once. `otelcol_*` mean what the OpenTelemetry Collector means by them, so that
 * its dashboards work; `otelfan_*` are our own.
 */
export const METRICS = {
  ...perSignal('otelcol_receiver_accepted', noun =>
    counter(RECEIVER, 'records', `${noun} that were stored durably and acknowledged.`),
  ),
  ...perSignal('otelcol_receiver_refused', noun =>
    counter(
      RECEIVER,
      'records',
      `${noun} of requests that were taken in and split, but not stored: rejected, shed or refused for now; their sender was told. Of what was answered before that nobody knows the records: turned away, malformed or too large.`,
      {
        alert: 'its rate is above zero: senders repeat or lose data',
      },
    ),
  ),
  ...perSignal('otelcol_exporter_sent', noun =>
    counter(['exporter'], 'records', `${noun} of batches that a shard confirmed.`),
  ),
  ...perSignal('otelcol_exporter_send_failed', noun =>
    counter(['exporter'], 'records', `${noun} that became dead letters: their shard will never take them.`, {
      alert: 'its rate is above zero: look at `otelfan dead-letter list`',
    }),
  ),
  ...perSignal('otelcol_exporter_enqueue_failed', noun =>
    counter(
      ['exporter'],
      'records',
      `${noun} that were refused for good because the queue of their shard was full.`,
      {
        alert:
          'its rate is above zero: data is being lost until the shard drains or `queue.maxShardBytes` is raised',
      },
    ),
  ),
  otelcol_exporter_queue_size: gauge(['exporter'], 'bytes', 'Payload bytes that wait for the shard.'),
  otelcol_exporter_queue_capacity: gauge(
    ['exporter'],
    'bytes',
    'Payload bytes that may wait: `queue.maxShardBytes`.',
    {
      alert: '`otelcol_exporter_queue_size` is above 80 % of it',
    },
  ),
  otelcol_exporter_in_flight_requests: gauge(['exporter'], 'batches', 'Batches on the way to the shard.'),

  otelfan_requests_total: counter(
    ['process', 'transport', 'signal', 'condition'],
    'requests',
    'Requests by what was answered: `accepted`, or the condition that the door told the sender. Without a signal the request named none.',
    { alert: 'the share of `unavailable` stays above a few per cent; any `internal`' },
  ),
  otelfan_request_duration_seconds: seconds(
    ['transport'],
    'From the head of a request to its answer, reading and storing included.',
  ),
  otelfan_partial_success_total: counter(
    ['transport', 'signal'],
    'requests',
    'Requests that were stored in part; the answer said how many records were not, and why.',
  ),
  otelfan_rejected_records_total: counter(
    ['transport', 'signal'],
    'records',
    'Records that can never be stored, such as spans without a valid id.',
    { alert: 'its rate is above zero: a sender is broken' },
  ),
  otelfan_shed_records_total: counter(
    ['shard', 'signal'],
    'records',
    'Records that were refused for good because the queue of their shard was full.',
    { alert: 'its rate is above zero: data is being lost until the shard drains' },
  ),
  otelfan_admission_refused_total: counter(
    ['process', 'reason'],
    'requests',
    'Requests that were turned away before their body was taken in, by what was over its mark: `bytes_in_flight`, `requests`, `queue`, `event_loop_delay`.',
    { alert: 'its rate stays above zero: more is sent than this replica can take' },
  ),
  otelfan_bytes_in_flight: gauge(['process'], 'bytes', 'Request bytes in memory.'),
  otelfan_requests_in_flight: gauge(['process'], 'requests', 'Requests in hand.'),
  otelfan_event_loop_delay_seconds: gauge(
    ['process'],
    'seconds',
    'How late a process that takes requests is with its work.',
    { alert: 'it nears `ingest.maxEventLoopDelay`: add workers or replicas' },
  ),
  otelfan_hot_key_records: gauge(
    ['signal', 'key', 'shard'],
    'records',
    'Estimated records of the last minute or two, of the shard keys that most records of a signal have. Keys come and go.',
    {
      alert: 'one key makes up most of the records of its shard: more shards will not relieve that one',
    },
  ),

  otelfan_queue_up: gauge([], '0 or 1', 'Whether all of the queue answered when metrics were read.', {
    alert: 'it is 0 for a minute: senders get 503',
  }),
  otelfan_queue_risks: gauge(
    [],
    'risks',
    'Settings of Redis by which it may lose batches: it evicts keys, or keeps no append-only file; the log has each. 0 for the embedded queue.',
    { alert: 'it is above zero: an OK to a sender means less than it says' },
  ),
  otelfan_queue_memory_ratio: gauge(
    [],
    '0 to 1',
    'Part of `maxmemory` that Redis uses, on its fullest node; 0 without `maxmemory`, and for the embedded queue.',
    { alert: 'it nears 0.8: from there on senders get 503' },
  ),
  otelfan_queue_capacity_bytes: gauge(
    [],
    'bytes',
    'Payload bytes that may wait for all shards: `queue.maxBytes`.',
    {
      alert: 'the sum of `otelfan_queue_bytes` is above 80 % of it: at 100 % senders get 503',
    },
  ),
  otelfan_queue_batches: gauge(['shard'], 'batches', 'Batches stored and not settled.'),
  otelfan_queue_bytes: gauge(['shard'], 'bytes', 'Payload bytes of those.'),
  otelfan_queue_oldest_age_seconds: gauge(
    ['shard'],
    'seconds',
    'Age of the oldest of those; 0 when there are none.',
    {
      alert:
        'it grows for minutes: the shard does not keep up or is down; at `delivery.horizon` dead letters begin',
    },
  ),
  otelfan_queue_records_total: counter(
    ['shard', 'signal', 'event'],
    'records',
    'The ledger of the queue, over all replicas and restarts: records `accepted`, `delivered`, `dead_lettered` and `rerouted`.',
  ),
  otelfan_delivery_horizon_seconds: gauge(
    [],
    'seconds',
    'Age at which a batch that was not delivered becomes a dead letter: `delivery.horizon`.',
  ),
  otelfan_dead_letters: gauge(['shard'], 'batches', 'Dead letters kept.', {
    alert: 'it is above zero: look at `otelfan dead-letter list`',
  }),
  otelfan_unaccounted_records: gauge(
    ['shard', 'signal'],
    'records',
    'accepted − queued − delivered − dead-lettered − rerouted, with the queued ones counted batch by batch; looked at every 30 seconds at most, and absent for a shard with more than 100 000 batches.',
    { alert: 'it is not 0: records were lost or counted twice, which is a bug' },
  ),

  otelfan_delivery_attempts_total: counter(
    ['shard', 'signal', 'outcome'],
    'batches',
    'Attempts to deliver by outcome: `delivered`, `retry`, `reject`.',
  ),
  otelfan_delivery_duration_seconds: seconds(['shard'], 'How long a shard took to answer one attempt.'),
  otelfan_shard_rejected_records_total: counter(
    ['shard', 'signal'],
    'records',
    'Records that a shard refused for good, by `partial_success`, out of a batch that it took. They are lost, and count as delivered.',
    { alert: 'its rate is above zero: the log has what the shard says about it' },
  ),
  otelfan_lane_breaker_state: gauge(
    ['shard', 'state'],
    '0 or 1',
    '1 for the state that the circuit breaker of the lane is in: `closed`, `open` or `half-open`.',
    { alert: 'a shard is `open` for minutes: it is down' },
  ),
  otelfan_lane_concurrency: gauge(['shard'], 'batches', 'Batches that the lane would send at once.'),

  otelfan_ready: gauge([], '0 or 1', 'Whether requests are taken, which is what `/readyz` says.', {
    alert: 'it is 0 for minutes; no replica has 1',
  }),
  ...TOPOLOGY_METRICS,
  otelfan_topology_slots_ratio: gauge(
    ['shard'],
    '0 to 1',
    'Share of the slots that the shard owns; held against its share of `otelfan_queue_records_total` it shows skew.',
  ),
  otelfan_workers: gauge(
    [],
    'processes',
    'Worker processes that take requests; 0 when this process does it itself.',
    {
      alert: 'it stays below `ingest.workers`: a worker crashes again and again',
    },
  ),
  otelfan_worker_restarts_total: counter(
    [],
    'processes',
    'Workers that ended unasked and were started again.',
    {
      alert: 'its rate is above zero: the log has the exit code or signal',
    },
  ),
  otelfan_build_info: gauge(['version'], '1', 'The version that runs.'),
} as const satisfies MetricSpecs;

/** A prom-client instrument for every declared metric, by name. */
export type Metrics = Instruments<typeof METRICS>;
