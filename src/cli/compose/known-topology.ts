import type { Config, TopologyConfig } from '../../shared/config/schema.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import { createTopology, type Topology } from '../../shared/topology/topology.ts';
import { UserError } from '../exit-codes.ts';
import { localShards, readLocalTopology } from './local-topology.ts';

/** A topology that is looked at, not served. */
export interface KnownTopology {
  readonly topology: Topology;
  /** Earlier versions, newest first. */
  readonly previous: TopologyConfig['previous'];
}

/** `otelfan up` chooses addresses anew with every start; whoever looks from outside does not need them. */
const NOWHERE = { otlp: 'http://localhost', read: 'http://localhost' };

/**
 * The topology of the configuration, or else the one that `otelfan up` keeps in the data folder.
 * @throws UserError when there is neither
 */
export function knownTopology(config: Config, hash: Hash): KnownTopology {
  if (config.topology !== undefined) {
    const previous = [...config.topology.previous].sort((a, b) => b.version - a.version);
    return { topology: createTopology(config.topology, hash), previous };
  }
  const local = readLocalTopology(config.dataDir);
  if (local === undefined) {
    throw new UserError(
      `no topology: the configuration names no shards, and ${config.dataDir} is not a data folder of otelfan up`,
    );
  }
  const shards = localShards(local, () => NOWHERE);
  return { topology: createTopology({ version: local.version, shards }, hash), previous: [] };
}

/**
 * The topology of an earlier version. Of its shards only the ids are known, so their present weights are assumed.
 */
export function previousTopology(
  { version, shards: ids }: TopologyConfig['previous'][number],
  { all }: Topology,
  hash: Hash,
): Topology {
  const shards = all.filter(shard => ids.includes(shard.id));
  return createTopology({ version, shards: shards.map(shard => ({ ...shard, state: 'active' })) }, hash);
}
