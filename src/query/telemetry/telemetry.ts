import { Registry } from 'prom-client';
import type { BreakerState } from '../../shared/breaker.ts';
import { registerMetrics } from '../../shared/telemetry/metric-spec.ts';
import { createProcessRegistry } from '../../shared/telemetry/process-registry.ts';
import { setTopology } from '../../shared/telemetry/topology-metrics.ts';
import type { ShardSpec, Topology } from '../../shared/topology/topology.ts';
import type { Gate } from '../gate.ts';
import type { HeldBytes } from '../held-bytes.ts';
import type { EndedCall } from '../shard-call.ts';
import type { EndedWrite } from '../writes/answer-write.ts';
import type { Uploads } from '../writes/uploads.ts';
import { QUERY_METRICS } from './metrics.ts';

/** The metrics of a query proxy. */
export interface QueryTelemetry {
  called(call: EndedCall): void;
  requestEnded(request: EndedRequest): void;
  writeEnded(write: EndedWrite): void;
  /** A request was refused because of a setting. */
  refused(setting: string): void;
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
  readonly held: Pick<HeldBytes, 'sizeBytes'>;
  readonly writeGate: Pick<Gate, 'inHand' | 'waiting'>;
  readonly uploads: Pick<Uploads, 'sizeBytes'>;
  readonly topology: Topology;
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
    writeEnded({ write, status, durationMs }) {
      metrics.otelfan_query_writes_total.inc({ write, status: status ?? 'cancelled' });
      metrics.otelfan_query_write_duration_seconds.observe({ write }, durationMs / MS_PER_SECOND);
    },
    refused(setting) {
      metrics.otelfan_query_refusals_total.inc({ setting });
    },
    async scrape({ gate, held, writeGate, uploads, topology, breakerState }) {
      setTopology(metrics, topology);
      metrics.otelfan_query_in_flight.set(gate.inHand());
      metrics.otelfan_query_waiting.set(gate.waiting());
      metrics.otelfan_query_held_bytes.set(held.sizeBytes());
      metrics.otelfan_query_writes_in_flight.set(writeGate.inHand());
      metrics.otelfan_query_writes_waiting.set(writeGate.waiting());
      metrics.otelfan_query_upload_bytes.set(uploads.sizeBytes());
      metrics.otelfan_query_shard_breaker_state.reset();
      for (const shard of topology.shards) {
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
