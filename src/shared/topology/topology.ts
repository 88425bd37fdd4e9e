import type { Hash } from './hash.ts';
import { assignSlots } from './rendezvous.ts';

/** A logical store with a stable id; its addresses are attributes that may change without moving data. */
export interface ShardSpec {
  readonly id: string;
  /** `embedded` is our own shard process; `tael` an unmodified tael-server. */
  readonly kind: 'embedded' | 'tael';
  /** Base URL of the OTLP door. */
  readonly otlp: string;
  /** Base URL of the read API. */
  readonly read: string;
  /** Share of the slots relative to the others; above 0. */
  readonly weight: number;
  /**
   * `active` receives new data, `draining` is only read from, `removed` only when an earlier version of the topology
   * names it, for what it may still hold. What is queued is delivered to all.
   */
  readonly state: 'active' | 'draining' | 'removed';
}

/** A versioned, immutable map from slot to shard. */
export interface Topology {
  readonly version: number;
  /** Every shard the configuration names, in its order: whatever is still queued for one is delivered to its address. */
  readonly all: readonly ShardSpec[];
  /** The shards that are read from, in the order of the configuration; those that left it among them. */
  readonly shards: readonly ShardSpec[];
  /** The shards that own slots, in the order of the configuration. */
  readonly active: readonly ShardSpec[];
  /** For every slot the index of its owner in `active`. */
  readonly owners: Uint16Array;
  /** Versions before this one whose shards may still hold data. */
  readonly previous: readonly EarlierVersion[];
  /** 32 bits of what decides where data goes and who is asked for it; addresses do not count. */
  readonly fingerprint: number;
}

export interface EarlierVersion {
  readonly version: number;
  /** Ids of the shards it had. */
  readonly shards: readonly string[];
}

export interface TopologySpec {
  readonly version: number;
  readonly shards: readonly ShardSpec[];
  /** Absent for none. */
  readonly previous?: readonly EarlierVersion[];
}

/** The specification must have at least one active shard and no id twice; the configuration checks both. */
export function createTopology({ version, shards: all, previous = [] }: TopologySpec, hash: Hash): Topology {
  const active = all.filter(shard => shard.state === 'active');
  const shards = all.filter(shard => isReadFrom(shard, previous));
  const fingerprint = fingerprintOf({ version, shards: all, previous }, hash);
  return { version, all, shards, active, owners: assignSlots(active, hash), previous, fingerprint };
}

function fingerprintOf({ version, shards, previous }: TopologySpec, { hash64 }: Hash): number {
  const placing = shards.map(({ id, kind, weight, state }) => [id, kind, weight, state]).sort();
  const earlier = previous?.map(past => [past.version, [...past.shards].sort()]);
  const text = JSON.stringify([version, placing, earlier]);
  return Number(BigInt.asUintN(32, hash64(Buffer.from(text))));
}

export function isReadFrom({ id, state }: ShardSpec, previous: readonly EarlierVersion[] = []): boolean {
  return state !== 'removed' || previous.some(({ shards }) => shards.includes(id));
}

/** Whether shards may hold what now belongs to another one. */
export function mayHaveMoved({ previous, shards }: Topology): boolean {
  return previous.length > 0 || shards.some(({ state }) => state !== 'active');
}

/** The shard that owns a slot. */
export function ownerOf(topology: Topology, slot: number): ShardSpec {
  return topology.active[topology.owners[slot] as number] as ShardSpec;
}

/** What a topology was made of. */
export function specOf({ version, all, previous }: Topology): TopologySpec {
  return { version, shards: all, previous };
}
