import type { Signal } from '../../shared/otlp/signal.ts';
import type { Batch } from './batch.ts';

/**
 * The durable queue between the answer to a sender and the delivery to a shard: one lane of batches per logical
 * shard. Two implementations, LMDB (embedded) and BullMQ (Redis), pass one conformance suite; nothing of either
 * shows here.
 *
 * **What is durable when.** `enqueue` resolves to `stored` only after every given batch, its payload included, is
 * at the backend's configured sync level (LMDB: fsync'ed; Redis: its `appendfsync`). A batch that was reported as
 * `unavailable` may nevertheless be in the queue (a write can time out and still happen): enqueuing it again under
 * the same id adds nothing, not even when it was settled meanwhile, up to some minutes ago.
 *
 * **What survives a crash.** Every stored batch until it was settled by `ack` or `deadLetter`, and the ledger. A
 * claim does not survive its owner: the batch becomes claimable again, at once for the embedded queue (its data
 * folder has one owner), after at most two leases for Redis. So a batch may be delivered more than once; the batch
 * id makes that harmless.
 *
 * **Order.** A lane hands out due batches oldest first, as far as concurrent claims allow. Nothing may depend on it.
 *
 * **Accounting.** The ledger is changed in the same transaction as the batch it counts, so for every shard and
 * signal accepted = queued + delivered + dead-lettered holds after any crash. Settling a batch twice counts once.
 *
 * **Closing.** After `stop` every call rejects. Claims still open are as if their owner had crashed.
 */
export interface BatchQueue {
  /** Stores batches of any shards; see "What is durable when". Never rejects for an expected failure. */
  enqueue(batches: readonly Batch[]): Promise<EnqueueOutcome>;

  /** The oldest due batch of a lane, now leased to the caller for `leaseMs`; `undefined` when none is due. */
  claim(shard: string): Promise<Claim | undefined>;

  /** The shard has the batch: forget it, count it as delivered. */
  ack(claim: Claim): Promise<void>;

  /** Not delivered; due again after `delayMs`. The number of attempts is of no consequence: only age decides. */
  release(claim: Claim, delayMs: number): Promise<void>;

  /** The shard will never take it: keep it aside with the reason, count it as dead-lettered. */
  deadLetter(claim: Claim, reason: string): Promise<void>;

  /** What a lane holds and has done since the queue was created. */
  stats(shard: string): Promise<LaneStats>;

  /** Calls back when this process enqueued for a shard, so that an idle lane need not poll. */
  onEnqueued(listener: (shard: string) => void): void;

  /** `undefined` when batches can be stored now, else the reason why not, for readiness and admission. */
  unavailableReason(): Promise<string | undefined>;

  stop(): Promise<void>;
}

export type EnqueueOutcome =
  | { readonly kind: 'stored' }
  /** Not known to be stored. The reason is for the sender, in English. */
  | { readonly kind: 'unavailable'; readonly reason: string };

/** A leased batch. `token` is the backend's own handle and means nothing to anybody else. */
export interface Claim {
  readonly batch: Batch;
  readonly token: unknown;
}

export type RecordCounts = Readonly<Record<Signal, number>>;

export interface LaneStats {
  /** Batches stored and not settled, claimed ones included. */
  readonly batches: number;
  /** Payload bytes of those. */
  readonly sizeBytes: number;
  /** Acceptance time of the oldest of those, milliseconds since the epoch; `undefined` when there are none. */
  readonly oldestAcceptedAtMs: number | undefined;
  readonly deadBatches: number;
  /** Records ever stored, delivered and dead-lettered; queued is what remains. */
  readonly accepted: RecordCounts;
  readonly delivered: RecordCounts;
  readonly deadLettered: RecordCounts;
}
