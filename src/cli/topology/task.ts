import type { Config } from '../../shared/config/schema.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import type { KnownTopology } from '../compose/known-topology.ts';
import { EXIT } from '../exit-codes.ts';
import type { ParsedFlags } from '../flags.ts';
import type { Io } from '../io.ts';

export interface TopologyTaskInput {
  readonly parsed: ParsedFlags;
  readonly config: Config;
  readonly hash: Hash;
  readonly known: KnownTopology;
  /** What follows the name of the task. */
  readonly word: string | undefined;
  readonly io: Io;
}

/** One thing that `otelfan topology` does; resolves with an exit code. */
export type TopologyTask = (input: TopologyTaskInput) => number | Promise<number>;

export const TOPOLOGY_EXIT = { ...EXIT, notAll: 3 } as const;
