import { Registry } from 'prom-client';
import type { BreakerState } from '../../shared/breaker.ts';
import { registerMetrics } from '../../shared/telemetry/metric-spec.ts';
import { createProcessRegistry } from '../../shared/telemetry/process-registry.ts';
import type { ShardSpec } from '../../shared/topology/topology.ts';
import type { Gate } from '../gate.ts';
import type { EndedCall } from '../shard-call.ts';
import { QUERY_METRICS } from './metrics.ts';

/** The metrics of a query proxy. */
export interface QueryTelemetry {
  called(call: EndedCall): void;
  requestEnded(request: EndedRequest): void;
  /** Everything in the Prometheus text format, with what is looked up at that moment. */
  scrape(now: LookedUp): Promise<{ readonly contentType: string; readonly text: string }>;
}

interface EndedRequest {
  readonly read: string;
  /** `undefined` when the client did not wait for the end. */
  readonly status: number | undefined;
  readonly isPartial: boolean;
  readonly durationMs: number;
}

interface LookedUp {
  readonly gate: Pick<Gate, 'inHand' | 'waiting'>;
  readonly shards: readonly ShardSpec[];
  readonly breakerState: (shard: ShardSpec) => BreakerState;
}

const BREAKER_STATES: readonly BreakerState[] = ['closed', 'open', 'half-open'];
const MS_PER_SECOND = 1000;

export function createQueryTelemetry(): QueryTelemetry {
  const registry = new Registry();
  const metrics = registerMetrics(QUERY_METRICS, registry);
  const processRegistry = createProcessRegistry('query');

  return {
    called({ shardId: shard, outcome, figures }) {
      const { queueMs, connectMs, firstByteMs, transferMs, sizeBytes } = figures;
      metrics.otelfan_query_shard_calls_total.inc({ shard, outcome });
      metrics.otelfan_query_shard_call_duration_seconds.observe(
        { shard },
        (queueMs + connectMs + firstByteMs + transferMs) / MS_PER_SECOND,
      );
      metrics.otelfan_query_shard_received_bytes_total.inc({ shard }, sizeBytes);
    },
    requestEnded({ read, status, isPartial, durationMs }) {
      metrics.otelfan_query_requests_total.inc({ read, status: status ?? 'cancelled' });
      metrics.otelfan_query_request_duration_seconds.observe({ read }, durationMs / MS_PER_SECOND);
      if (isPartial) metrics.otelfan_query_partial_answers_total.inc({ read });
    },
    async scrape({ gate, shards, breakerState }) {
      metrics.otelfan_query_in_flight.set(gate.inHand());
      metrics.otelfan_query_waiting.set(gate.waiting());
      metrics.otelfan_query_shard_breaker_state.reset();
      for (const shard of shards) {
        const current = breakerState(shard);
        for (const state of BREAKER_STATES) {
          const value = state === current ? 1 : 0;
          metrics.otelfan_query_shard_breaker_state.set({ shard: shard.id, state }, value);
        }
      }
      const texts = await Promise.all([registry.metrics(), processRegistry.metrics()]);
      return { contentType: registry.contentType, text: texts.join('\n') };
    },
  };
}
