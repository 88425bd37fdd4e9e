import { createHash, SLOT_COUNT } from '../../src/shared/topology/hash.ts';
import { movesBetween, slotCounts } from '../../src/shared/topology/movement.ts';
import { createTopology, type ShardSpec, type Topology } from '../../src/shared/topology/topology.ts';
import { type Figures, round } from '../figures.ts';

const hash = await createHash();

function topologyOf(count: number, version = 1): Topology {
  const shards = Array.from(
    { length: count },
    (_, index): ShardSpec => ({
      id: `s${index}`,
      kind: 'embedded',
      otlp: 'http://shard:4318',
      read: 'http://shard:7800',
      weight: 1,
      state: 'active',
    }),
  );
  return createTopology({ version, shards }, hash);
}

function movedShare(before: Topology, after: Topology): number {
  return movesBetween(before, after).reduce((sum, { slots }) => sum + slots, 0) / SLOT_COUNT;
}

/** What a change moves, how even the shares are, and how long a process thinks about a new topology. */
export function topologyFigures(shards: number): Figures {
  const cpuBefore = process.cpuUsage();
  const topology = topologyOf(shards);
  const { user, system } = process.cpuUsage(cpuBefore);
  const counts = [...slotCounts(topology).values()];
  const mean = SLOT_COUNT / shards;
  const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / shards;
  return {
    assign_cpu_ms: round((user + system) / 1000),
    one_more_moves_share: round(movedShare(topology, topologyOf(shards + 1, 2))),
    twice_as_many_moves_share: round(movedShare(topology, topologyOf(2 * shards, 2))),
    share_deviation: round(Math.sqrt(variance) / mean),
    largest_share: round(Math.max(...counts) / mean),
  };
}
