import type { DuckDBConnection } from '@duckdb/node-api';
import type { ParsedShardRead, ShardReadName } from '../../shared/read/contract.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import type { AnswerRoom } from './answer-room.ts';
import type { AttributeValues } from './attribute-values.ts';
import type { DurationSegments } from './duration-segments.ts';
import type { KnownSources } from './known-sources.ts';
import type { Landmarks } from './landmarks.ts';
import type { ServiceTotals } from './service-totals.ts';
import type { SlotsHeld } from './slots-held.ts';
import type { TraceIndex } from './trace-index.ts';

/** What a read works with. */
export interface ReadContext {
  /** Inside a transaction, so that several queries see one state. */
  readonly connection: DuckDBConnection;
  /** The commit that the rows are read at. */
  readonly asOf: bigint;
  /** One row more than an answer may have, so that it is noticed; the request's own limit may be lower. */
  readonly mostRows: number;
  /** For rows that can be long. Of this read alone. */
  readonly room: AnswerRoom;
  /** Of rows whose numbers are used in another query than the one that found them. Of this read alone. */
  readonly landmarks: Landmarks;
  readonly hash: Hash;
  readonly serviceTotals: ServiceTotals;
  readonly attributeValues: AttributeValues;
  readonly durations: DurationSegments;
  readonly sources: KnownSources;
  readonly slotsHeld: SlotsHeld;
  readonly traceIndex: TraceIndex;
}

/**
 * One read of the contract: finished lines, newline included, rendered when they are asked for. DuckDB holds the rows
 * until then, in a third of the space, and giving them out cannot fail.
 */
export type ShardRead<N extends ShardReadName> = (
  context: ReadContext,
  request: ParsedShardRead<N>,
) => Promise<Iterable<string>>;
