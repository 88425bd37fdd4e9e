import type { Topology } from '../topology/topology.ts';
import { gauge, type Instruments, type MetricSpecs } from './metric-spec.ts';

/** What every process with a topology tells of it, so that those with different ones can be found. */
export const TOPOLOGY_METRICS = {
  otelfan_topology_version: gauge([], '', 'Version of the topology in force.', {
    alert: 'replicas differ for minutes',
  }),
  otelfan_topology_hash: gauge(
    [],
    '',
    'A number made of the topology in force, all but the addresses: equal where it is the same.',
    { alert: 'replicas differ for minutes, with the same version above all: they place data differently' },
  ),
} as const satisfies MetricSpecs;

export function setTopology(
  metrics: Instruments<typeof TOPOLOGY_METRICS>,
  { version, fingerprint }: Pick<Topology, 'version' | 'fingerprint'>,
): void {
  metrics.otelfan_topology_version.set(version);
  metrics.otelfan_topology_hash.set(fingerprint);
}
