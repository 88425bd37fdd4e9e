import { setTopology } from '../../shared/telemetry/topology-metrics.ts';
import { SLOT_COUNT } from '../../shared/topology/hash.ts';
import type { Topology } from '../../shared/topology/topology.ts';
import type { Metrics } from './metrics.ts';

export function topologyMetrics(current: () => Topology): (metrics: Metrics) => void {
  return metrics => {
    const topology = current();
    const { all, active, owners } = topology;
    setTopology(metrics, topology);
    metrics.otelfan_topology_slots_ratio.reset();
    for (const { id } of all) {
      const index = active.findIndex(shard => shard.id === id);
      const slots = owners.reduce((sum, owner) => (owner === index ? sum + 1 : sum), 0);
      metrics.otelfan_topology_slots_ratio.set({ shard: id }, slots / SLOT_COUNT);
    }
  };
}
