import { SLOT_COUNT } from './hash.ts';
import { ownerOf, type Topology } from './topology.ts';

/** Slots that one shard gives to another. */
export interface Move {
  readonly from: string;
  readonly to: string;
  readonly slots: number;
}

/** What moves between two topologies, the largest move first; ties by id. */
export function movesBetween(before: Topology, after: Topology): Move[] {
  const moves = new Map<string, Move>();
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const from = ownerOf(before, slot).id;
    const to = ownerOf(after, slot).id;
    if (from === to) continue;
    // No id contains a space.
    const key = `${from} ${to}`;
    moves.set(key, { from, to, slots: (moves.get(key)?.slots ?? 0) + 1 });
  }
  const text = ({ from, to }: Move) => `${from} ${to}`;
  return [...moves.values()].sort((a, b) => b.slots - a.slots || (text(a) < text(b) ? -1 : 1));
}

/** Slots that each active shard owns, by id. */
export function slotCounts(topology: Topology): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const owner of topology.owners) {
    const { id } = topology.active[owner] as Topology['active'][number];
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}
