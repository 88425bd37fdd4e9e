import { counter, gauge, type MetricSpecs, seconds } from '../../shared/telemetry/metric-spec.ts';
import { TOPOLOGY_METRICS } from '../../shared/telemetry/topology-metrics.ts';

/** Every metric of a query proxy of its own, once. */
export const QUERY_METRICS = {
  otelfan_query_requests_total: counter(
    ['read', 'status'],
    'requests',
    'Requests to the read API by the status of their answer; `cancelled` when the client did not wait for its end.',
    { alert: 'the share of `503` stays above a few per cent; any `500`' },
  ),
  otelfan_query_request_duration_seconds: seconds(
    ['read'],
    'From a request to the end of its answer, waiting for its turn included.',
  ),
  otelfan_query_partial_answers_total: counter(['read'], 'answers', 'Answers that lack a shard.', {
    alert: 'its rate is above zero: `otelfan_query_shard_calls_total` says which shard',
  }),
  otelfan_query_in_flight: gauge(
    [],
    'queries',
    'Queries that run, or whose client does not have all of the answer yet.',
  ),
  otelfan_query_waiting: gauge([], 'queries', 'Queries that wait for their turn.', {
    alert: 'it nears `query.maxWaiting`: add replicas, or raise `query.maxConcurrent`',
  }),
  otelfan_query_held_bytes: gauge(
    [],
    'bytes',
    'Bytes of the answers of shards that queries hold; what is computed from them comes on top.',
    { alert: 'it nears `query.maxHeldBytes`' },
  ),
  otelfan_query_writes_total: counter(
    ['write', 'status'],
    'requests',
    'Writes through the read API (`comment`, `score`, `runner span`, `blob`) by the status of their answer; `cancelled` when the client did not wait for it.',
    {
      alert:
        'the share of `503` stays above a few per cent: the owner does not answer, or the writes are too many; any `500`',
    },
  ),
  otelfan_query_write_duration_seconds: seconds(
    ['write'],
    'From the head of a write to the end of its answer, the upload and waiting for its turn included.',
  ),
  otelfan_query_writes_in_flight: gauge([], 'writes', 'Writes that are with their shards.'),
  otelfan_query_writes_waiting: gauge([], 'writes', 'Writes that wait for their turn.', {
    alert: 'it nears `query.writes.maxWaiting`: raise `query.writes.maxConcurrent`',
  }),
  otelfan_query_upload_bytes: gauge(
    [],
    'bytes',
    'Bytes of the bodies of writes that have arrived and are not stored yet.',
    { alert: 'it nears `query.writes.maxBytes`' },
  ),
  otelfan_query_refusals_total: counter(
    ['setting'],
    'requests',
    'Requests that were answered 503 because too much was asked at once, by the setting that bounds it.',
    { alert: 'its rate is above zero: add replicas, or raise the setting' },
  ),
  otelfan_query_shard_calls_total: counter(
    ['shard', 'outcome'],
    'calls',
    'Calls of a shard by outcome: `answered`, `cut` at a bound of the shard, `gone` for a snapshot that retention took, `refused` for a question that the shard finds fault with, `failed`, `unreachable`, `timeout`, and `cancelled` when nobody waited any longer.',
    { alert: 'a shard has `failed`, `unreachable` or `timeout` for minutes' },
  ),
  otelfan_query_shard_call_duration_seconds: seconds(['shard'], 'From a call of a shard to its end.'),
  otelfan_query_shard_received_bytes_total: counter(['shard'], 'bytes', 'Bytes of the answers of a shard.'),
  otelfan_query_shard_breaker_state: gauge(
    ['shard', 'state'],
    '0 or 1',
    "1 for the state that the circuit breaker of the shard's address is in: `closed`, `open` or `half-open`.",
    { alert: 'a shard is `open` for minutes: it cannot be reached or says nothing' },
  ),
  ...TOPOLOGY_METRICS,
} as const satisfies MetricSpecs;
