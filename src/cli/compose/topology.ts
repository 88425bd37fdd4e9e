import type { Config } from '../../shared/config/schema.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import { createTopology, type Topology } from '../../shared/topology/topology.ts';
import { EXIT, UserError } from '../exit-codes.ts';

/** @throws UserError when the configuration names no shards */
export function topologyOf(config: Config, hash: Hash, command: string): Topology {
  if (config.topology === undefined) {
    throw new UserError(
      `${command} needs a topology: name the shards in the configuration file or in OTELFAN_TOPOLOGY`,
      EXIT.usage,
    );
  }
  return createTopology(config.topology, hash);
}
