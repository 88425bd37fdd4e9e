/** One time series panel of the Grafana dashboard. */
export interface Panel {
  readonly title: string;
  /** What to look for. */
  readonly about: string;
  /** Grafana's id of the unit. */
  readonly unit: 's' | 'bytes' | 'Bps' | 'reqps' | 'cps' | 'percentunit' | 'short';
  readonly max?: number;
  /** PromQL by legend. */
  readonly queries: Readonly<Record<string, string>>;
}

export interface PanelRow {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** Of a counter; Grafana knows how far the scrapes are apart. */
const rate = (selector: string) => `rate(${selector}[$__rate_interval])`;
const perSecond = (labels: string, selector: string) => `sum by (${labels}) (${rate(selector)})`;
const quantile = (q: number, histogram: string, ...labels: string[]) =>
  `histogram_quantile(${q}, sum by (${['le', ...labels].join(', ')}) (${rate(`${histogram}_bucket`)}))`;
/** What every replica says of the one queue. */
const ofQueue = (name: string, labels = 'shard') => `max by (${labels}) (${name})`;

/** The rows of the dashboard from top to bottom, three panels wide, along the way of a record and then of a read. */
export const PANEL_ROWS: readonly PanelRow[] = [
  {
    title: 'What comes in',
    panels: [
      {
        title: 'Records acknowledged',
        about: 'Stored durably and acknowledged, per second.',
        unit: 'cps',
        queries: {
          spans: `sum(${rate('otelcol_receiver_accepted_spans_total')})`,
          'log records': `sum(${rate('otelcol_receiver_accepted_log_records_total')})`,
          'metric points': `sum(${rate('otelcol_receiver_accepted_metric_points_total')})`,
        },
      },
      {
        title: 'Records not stored',
        about: 'Rejected, shed or refused for now; their senders were told. Shed records are lost.',
        unit: 'cps',
        queries: {
          'refused {{transport}} spans': perSecond('transport', 'otelcol_receiver_refused_spans_total'),
          'refused {{transport}} log records': perSecond(
            'transport',
            'otelcol_receiver_refused_log_records_total',
          ),
          'refused {{transport}} metric points': perSecond(
            'transport',
            'otelcol_receiver_refused_metric_points_total',
          ),
          'shed for {{shard}}': perSecond('shard', 'otelfan_shed_records_total'),
          'rejected {{signal}}': perSecond('signal', 'otelfan_rejected_records_total'),
        },
      },
      {
        title: 'Requests by answer',
        about: 'unavailable is a 503, which senders repeat; internal a 500, which they do not.',
        unit: 'reqps',
        queries: { '{{condition}}': perSecond('condition', 'otelfan_requests_total') },
      },
      {
        title: 'Time to the acknowledgement',
        about: 'From the head of a request to its answer.',
        unit: 's',
        queries: {
          '{{transport}} p50': quantile(0.5, 'otelfan_request_duration_seconds', 'transport'),
          '{{transport}} p99': quantile(0.99, 'otelfan_request_duration_seconds', 'transport'),
        },
      },
      {
        title: 'Turned away before the body',
        about: 'By what was over its mark: more is sent than the replica can take.',
        unit: 'reqps',
        queries: {
          '{{instance}} {{reason}}': perSecond('instance, reason', 'otelfan_admission_refused_total'),
        },
      },
      {
        title: 'Event-loop delay',
        about: 'How late a process that takes requests is with its work.',
        unit: 's',
        queries: { '{{instance}} {{process}}': 'otelfan_event_loop_delay_seconds' },
      },
      {
        title: 'Bytes in hand',
        about: 'Of requests, in memory.',
        unit: 'bytes',
        queries: { '{{instance}}': 'sum by (instance) (otelfan_bytes_in_flight)' },
      },
      {
        title: 'Ready replicas',
        about: 'Replicas that take requests, and worker processes that were started again.',
        unit: 'short',
        queries: {
          ready: 'sum(otelfan_ready)',
          'worker restarts in 15 min': 'sum(increase(otelfan_worker_restarts_total[15m]))',
        },
      },
      {
        title: 'Hottest keys',
        about: 'One key that makes up most of a shard is not relieved by more shards.',
        unit: 'short',
        queries: {
          '{{signal}} {{key}} → {{shard}}': 'topk(10, sum by (signal, key, shard) (otelfan_hot_key_records))',
        },
      },
    ],
  },
  {
    title: 'What waits',
    panels: [
      {
        title: 'Oldest batch',
        about: 'Grows while a shard is down or does not keep up. At the horizon dead letters begin.',
        unit: 's',
        queries: {
          '{{shard}}': ofQueue('otelfan_queue_oldest_age_seconds'),
          horizon: 'max(otelfan_delivery_horizon_seconds)',
        },
      },
      {
        title: 'Bytes in the queue',
        about: 'When the whole is at its capacity senders get 503.',
        unit: 'bytes',
        queries: {
          '{{shard}}': ofQueue('otelfan_queue_bytes'),
          capacity: 'max(otelfan_queue_capacity_bytes)',
        },
      },
      {
        title: 'Fill',
        about: 'Of each shard (its records are refused at 100 %), and of the memory of Redis (503 at 80 %).',
        unit: 'percentunit',
        max: 1,
        queries: {
          '{{exporter}}': `${ofQueue('otelcol_exporter_queue_size', 'exporter')} / ${ofQueue('otelcol_exporter_queue_capacity', 'exporter')}`,
          'memory of Redis': 'max(otelfan_queue_memory_ratio)',
        },
      },
      {
        title: 'Queue answers, risks',
        about: 'Whether all of the queue answers, and how many settings of Redis may lose batches.',
        unit: 'short',
        queries: { 'up {{instance}}': 'otelfan_queue_up', risks: 'max(otelfan_queue_risks)' },
      },
      {
        title: 'Dead letters',
        about: 'Batches that were given up. otelfan dead-letter list shows them.',
        unit: 'short',
        queries: { '{{shard}}': ofQueue('otelfan_dead_letters') },
      },
      {
        title: 'Ledger',
        about:
          'Records accepted and delivered per second, and those that nobody can account for, which has to be 0.',
        unit: 'cps',
        queries: {
          '{{event}}': `sum by (event) (max by (shard, signal, event) (${rate('otelfan_queue_records_total')}))`,
          unaccounted: 'sum(max by (shard, signal) (abs(otelfan_unaccounted_records)))',
        },
      },
    ],
  },
  {
    title: 'What goes out',
    panels: [
      {
        title: 'Batches by outcome',
        about: 'retry: the shard is down, slow or full. reject: it will never take the batch as it is.',
        unit: 'cps',
        queries: { '{{shard}} {{outcome}}': perSecond('shard, outcome', 'otelfan_delivery_attempts_total') },
      },
      {
        title: 'Time a shard takes for a batch',
        about: 'p99 of one attempt.',
        unit: 's',
        queries: { '{{shard}}': quantile(0.99, 'otelfan_delivery_duration_seconds', 'shard') },
      },
      {
        title: 'Shards that take nothing',
        about: '1 while no replica has a closed breaker for the shard.',
        unit: 'short',
        max: 1,
        queries: { '{{shard}}': '1 - max by (shard) (otelfan_lane_breaker_state{state="closed"})' },
      },
      {
        title: 'Batches on the way',
        about: 'Against how many the lanes would send at once: fewer while a shard is slow or refuses.',
        unit: 'short',
        queries: {
          '{{exporter}}': 'sum by (exporter) (otelcol_exporter_in_flight_requests)',
          'limit {{shard}}': 'sum by (shard) (otelfan_lane_concurrency)',
        },
      },
      {
        title: 'Lost on the way',
        about: 'Records that shards refused out of batches that they took.',
        unit: 'cps',
        queries: {
          '{{shard}} {{signal}}': perSecond('shard, signal', 'otelfan_shard_rejected_records_total'),
        },
      },
      {
        title: 'Share of the slots',
        about: 'Held against the share of records it shows skew.',
        unit: 'percentunit',
        queries: { '{{shard}}': ofQueue('otelfan_topology_slots_ratio') },
      },
    ],
  },
  {
    title: 'Reads',
    panels: [
      {
        title: 'Requests by read',
        about: 'Per second.',
        unit: 'reqps',
        queries: { '{{read}}': perSecond('read', 'otelfan_query_requests_total') },
      },
      {
        title: 'Requests that failed',
        about: 'By status; cancelled when the client did not wait.',
        unit: 'reqps',
        queries: { '{{status}}': perSecond('status', 'otelfan_query_requests_total{status!="200"}') },
      },
      {
        title: 'Time of a read',
        about: 'p99, waiting for its turn included.',
        unit: 's',
        queries: { '{{read}}': quantile(0.99, 'otelfan_query_request_duration_seconds', 'read') },
      },
      {
        title: 'Partial answers',
        about: 'Answers that lack a shard.',
        unit: 'reqps',
        queries: { '{{read}}': perSecond('read', 'otelfan_query_partial_answers_total') },
      },
      {
        title: 'Queries at once',
        about: 'Those that run, those that wait, and those that were turned away per second.',
        unit: 'short',
        queries: {
          running: 'sum(otelfan_query_in_flight)',
          waiting: 'sum(otelfan_query_waiting)',
          'turned away by {{setting}}': `sum by (setting) (${rate('otelfan_query_refusals_total')})`,
        },
      },
      {
        title: 'Calls of shards that failed',
        about: 'By outcome.',
        unit: 'reqps',
        queries: {
          '{{shard}} {{outcome}}': perSecond(
            'shard, outcome',
            'otelfan_query_shard_calls_total{outcome!~"answered|cancelled"}',
          ),
        },
      },
      {
        title: 'Time of a call',
        about: 'p99 for each shard: one that stands out holds every answer up.',
        unit: 's',
        queries: { '{{shard}}': quantile(0.99, 'otelfan_query_shard_call_duration_seconds', 'shard') },
      },
      {
        title: 'Bytes from shards',
        about: 'Of their answers.',
        unit: 'Bps',
        queries: { '{{shard}}': perSecond('shard', 'otelfan_query_shard_received_bytes_total') },
      },
      {
        title: 'Shards that cannot be read',
        about: '1 while no proxy has a closed breaker for the shard.',
        unit: 'short',
        max: 1,
        queries: { '{{shard}}': '1 - max by (shard) (otelfan_query_shard_breaker_state{state="closed"})' },
      },
    ],
  },
  {
    title: 'Shards',
    panels: [
      {
        title: 'Takes writes',
        about: '0 while the disk has no room or the database was given up.',
        unit: 'short',
        max: 1,
        queries: { '{{instance}}': 'otelfan_shard_writable' },
      },
      {
        title: 'Free disk',
        about: 'Below the reserve writes are refused, but for what is free in the file.',
        unit: 'bytes',
        queries: {
          '{{instance}}': 'otelfan_shard_disk_free_bytes',
          'reserve {{instance}}': 'otelfan_shard_disk_reserve_bytes',
        },
      },
      {
        title: 'Database file',
        about: 'Does not shrink; what is deleted in it is used again.',
        unit: 'bytes',
        queries: { '{{instance}}': 'otelfan_shard_database_bytes' },
      },
      {
        title: 'Write-ahead log',
        about: 'A checkpoint is due at its mark, and forced at twice as much.',
        unit: 'bytes',
        queries: {
          '{{instance}}': 'otelfan_shard_wal_bytes',
          mark: 'max(otelfan_shard_checkpoint_bytes)',
        },
      },
      {
        title: 'Since retention was through',
        about: 'It looks every ten seconds.',
        unit: 's',
        queries: { '{{instance}}': 'time() - otelfan_shard_retention_timestamp_seconds' },
      },
      {
        title: 'Maintenance that failed',
        about: 'Rounds per second; the log has the reason.',
        unit: 'cps',
        queries: { '{{instance}}': rate('otelfan_shard_maintenance_failures_total') },
      },
    ],
  },
  {
    title: 'Processes',
    panels: [
      {
        title: 'CPU',
        about: 'Cores that each process takes.',
        unit: 'short',
        queries: { '{{instance}} {{process}}': perSecond('instance, process', 'process_cpu_seconds_total') },
      },
      {
        title: 'Memory',
        about: 'Resident.',
        unit: 'bytes',
        queries: { '{{instance}} {{process}}': 'process_resident_memory_bytes{process!=""}' },
      },
      {
        title: 'Topology',
        about: 'One version and one hash everywhere, but for a moment after a change.',
        unit: 'short',
        queries: {
          'version {{instance}}': 'otelfan_topology_version',
          'different topologies': 'count(count_values("hash", otelfan_topology_hash))',
        },
      },
    ],
  },
];
