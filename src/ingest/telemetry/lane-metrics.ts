import type { LaneState } from '../delivery/lane.ts';
import { exporterOf } from './event-metrics.ts';
import type { Metrics } from './metrics.ts';

const BREAKER_STATES: readonly LaneState['breaker'][] = ['closed', 'open', 'half-open'];

export function laneMetrics(states: () => ReadonlyMap<string, LaneState>): (metrics: Metrics) => void {
  return metrics => {
    metrics.otelfan_lane_breaker_state.reset();
    metrics.otelfan_lane_concurrency.reset();
    metrics.otelcol_exporter_in_flight_requests.reset();
    for (const [shard, { breaker, concurrency, inFlight }] of states()) {
      for (const state of BREAKER_STATES) {
        metrics.otelfan_lane_breaker_state.set({ shard, state }, state === breaker ? 1 : 0);
      }
      metrics.otelfan_lane_concurrency.set({ shard }, concurrency);
      metrics.otelcol_exporter_in_flight_requests.set({ exporter: exporterOf(shard) }, inFlight);
    }
  };
}
