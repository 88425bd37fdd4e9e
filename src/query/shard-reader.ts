import type { Trailer } from '../shared/read/contract.ts';
import type { ShardSpec } from '../shared/topology/topology.ts';
import type { CallMeter } from './call-meter.ts';
import type { Pieces } from './http-call.ts';
import type { RowPart } from './merge/row-part.ts';
import type { ShardQuery } from './reads/read.ts';
import type { CallOutcome } from './shard-call.ts';

/**
 * The rows and states of shards, as one read asks for them: a reader lives as long as the read. Calls never reject, and
 * an abort settles them at once.
 */
export interface ShardReader {
  /** `gone` when the snapshot that `asOf` names cannot be read any more. */
  snapshot(
    shard: ShardSpec,
    reads: SnapshotReads,
    signal: AbortSignal,
    newMeter?: NewMeter,
  ): Promise<CallOutcome<SnapshotRows>>;
  /** Answered when the answer begins; an abort of the signal ends the stream, too. `gone` as with `snapshot`. */
  rows(
    shard: ShardSpec,
    read: ShardQuery & Pick<SnapshotReads, 'asOf'>,
    signal: AbortSignal,
    newMeter?: NewMeter,
  ): Promise<CallOutcome<RowStream>>;
}

/** Gives a meter for one more request to the shard, which is told how that goes. */
export type NewMeter = () => CallMeter;

export interface SnapshotReads {
  /** The commit to read at; absent for the last one. */
  readonly asOf?: string | undefined;
  readonly reads: readonly ShardQuery[];
}

/** What one shard gave to several reads at one commit. */
export interface SnapshotRows {
  readonly asOf: string;
  /** One for each read, in their order. */
  readonly parts: readonly RowPart[];
  /** How many rows each of them has. */
  readonly rows: readonly number[];
  /** For each that the shard ended at a bound of its own, the setting. */
  readonly cuts: readonly (Pick<Trailer, 'truncatedBy'> | undefined)[];
  /** Why the part of a read is not exact, for each of them; absent where all are. */
  readonly inexact?: readonly (string | undefined)[];
}

/** The rows of one read, which are still on their way. */
export interface RowStream {
  /** The commit that they are read at. */
  readonly asOf: string;
  /** Row lines and the trailer. Whoever has it reads it to its end or lets it go. */
  readonly body: Pieces;
  /** Why they may not be the right ones; absent when they are. */
  readonly inexact?: string | undefined;
}
