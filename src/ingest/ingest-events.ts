import type { AnsweredRequest } from '../shared/otlp/door.ts';
import type { Signal } from '../shared/otlp/signal.ts';

/**
 * What the parts of ingest tell while they work, one call per thing that happened. Whoever counts implements it;
 * nobody who calls it waits or cares. What can be looked up at any time (depth, breaker state, bytes in flight) is
 * not told here but asked for when metrics are read.
 */
export interface IngestEvents {
  answered(event: AnsweredRequest): void;
  /** Records of one request, whatever became of them; the four add up to what it held. */
  received(event: {
    readonly transport: 'http' | 'grpc';
    readonly signal: Signal;
    /** Stored durably. */
    readonly accepted: number;
    /** Can never be stored: told in `partial_success`. */
    readonly rejected: number;
    /** Refused for good because their shard's queue was full: told in `partial_success`. */
    readonly shed: number;
    /** Refused for now: the sender was told to come back. */
    readonly refused: number;
  }): void;
  /** Records refused for good because the queue of this shard was full. */
  shed(event: { readonly shard: string; readonly signal: Signal; readonly records: number }): void;
  /** One attempt to deliver ended. `records` are those of the batch or part that was sent. */
  sent(event: {
    readonly shard: string;
    readonly signal: Signal;
    readonly records: number;
    readonly outcome: 'delivered' | 'retry' | 'reject';
    readonly durationSeconds: number;
  }): void;
  /** Records that a shard refused for good out of a batch that it took; they are among the delivered ones. */
  shardRefused(event: { readonly shard: string; readonly signal: Signal; readonly records: number }): void;
  /** Records became a dead letter. */
  deadLettered(event: { readonly shard: string; readonly signal: Signal; readonly records: number }): void;
}
