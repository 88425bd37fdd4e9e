import type { Signal } from '../../shared/otlp/signal.ts';
import type { Batch, BatchInfo, BatchKey } from './batch.ts';

/**
 * The durable queue between the answer to a sender and the delivery to a shard: one lane of batches per logical
 * shard. Two implementations, LMDB (embedded) and BullMQ (Redis), pass one conformance suite; nothing of either
 * shows here.
 *
 * **What is durable when.** `enqueue` resolves to `stored` only after every given batch, its payload included, is
 * at the backend's configured sync level (LMDB: fsync'ed; Redis: its `appendfsync`). A batch that was reported as
 * `unknown` may nevertheless be in the queue (a write can time out and still happen): enqueuing it again under the
 * same id adds nothing, not even when it was settled meanwhile, up to some minutes ago.
 *
 * **What survives a crash.** Every stored batch until it was settled by `ack`, `ackExcept`, `deadLetter` or
 * `reroute`, and the ledger. A claim does not survive its owner: the batch becomes claimable again, at once where
 * the backend can tell that the owner is gone, else after at most two leases. So a batch may be delivered more than
 * once; the batch id makes that harmless.
 *
 * **Who may use it.** Any number of processes may enqueue, claim and settle at the same time.
 *
 * **Order.** A lane hands out due batches roughly in the order that the claim asks for. Nothing may depend on it.
 *
 * **Accounting.** The ledger is changed in the same transaction as the batch it counts, so for every shard and
 * signal accepted = queued + delivered + dead-lettered + rerouted holds after any crash. Settling a batch twice
 * counts once.
 *
 * **Closing.** After `stop` every call rejects. Claims still open are as if their owner had crashed.
 */
export interface BatchQueue {
  /** Stores batches of any shards; see "What is durable when". Never rejects for an expected failure. */
  enqueue(batches: readonly Batch[]): Promise<EnqueueOutcome>;

  /** A due batch of a lane, now leased to the caller for `leaseMs`; `undefined` when none is due. */
  claim(shard: string, order: ClaimOrder): Promise<Claim | undefined>;

  /** The shard has the batch: forget it, count it as delivered. */
  ack(claim: Claim): Promise<void>;

  /**
   * The shard has the batch but for these parts of it, which it will never take: each becomes a dead letter of its
   * own, the rest counts as delivered. A part's id is its own; the records of all parts are at most the batch's.
   */
  ackExcept(claim: Claim, parts: readonly RefusedPart[]): Promise<void>;

  /** Not delivered; due again after `delayMs`. The number of attempts is of no consequence: only age decides. */
  release(claim: Claim, delayMs: number): Promise<void>;

  /** The shard will never take it: keep it aside with the reason, count it as dead-lettered. */
  deadLetter(claim: Claim, reason: string): Promise<void>;

  /**
   * Hands a batch to other shards: stores the given batches, which hold all of its records, then forgets it and
   * counts it as rerouted. Ids derived from the batch's make a second attempt after a crash harmless.
   */
  reroute(claim: Claim, batches: readonly Batch[]): Promise<EnqueueOutcome>;

  /**
   * Dead letters of a shard, oldest first by the time they became one, at most `limit`: those after the one with the
   * id `after`, or from the oldest when there is no such dead letter (any more).
   */
  deadLetters(
    shard: string,
    page: { readonly after?: string; readonly limit: number },
  ): Promise<DeadLetter[]>;

  /** A dead letter with its bytes, or why they cannot be read; `undefined` when there is no such dead letter. */
  deadLetterBatch(key: BatchKey): Promise<Batch | string | undefined>;

  /** Puts a dead letter back into its lane under its id, due at once; false when there is no such dead letter. */
  replay(key: BatchKey): Promise<boolean>;

  /** Deletes a dead letter for good; it stays counted as dead-lettered. False when there is no such dead letter. */
  purge(key: BatchKey): Promise<boolean>;

  /** Every shard that ever had a batch, in no particular order: lanes outlive the topology that made them. */
  shards(): Promise<readonly string[]>;

  /** What a lane holds and has done since the queue was created. Cheap: nothing is counted one by one. */
  stats(shard: string): Promise<LaneStats>;

  /**
   * The same counts from one snapshot, with `queued` counted batch by batch instead of derived, so that
   * accepted − queued − delivered − dead-lettered − rerouted is a check and not a definition. Linear in the batches.
   */
  audit(shard: string): Promise<LaneAudit>;

  /**
   * Calls back when this process enqueued for a shard, so that an idle lane need not poll.
   * @returns how to end it.
   */
  onEnqueued(listener: (shard: string) => void): () => void;

  /** `undefined` when batches can be stored now, else the reason why not, for readiness and admission. */
  unavailableReason(): Promise<string | undefined>;

  /** How the backend stood when it was last looked at; nothing is asked. */
  standing(): QueueStanding;

  stop(): Promise<void>;
}

export type EnqueueOutcome =
  | { readonly kind: 'stored' }
  /** Known not to be stored, none of it, and not worth trying again at once. The reason is for the sender. */
  | { readonly kind: 'refused'; readonly reason: string }
  /**
   * Not known to be stored. Batches of `shards` may or may not be there; those of other shards are. Worth trying
   * again under the same ids until the sender stops waiting.
   */
  | { readonly kind: 'unknown'; readonly reason: string; readonly shards: ReadonlySet<string> };

/**
 * `oldest`: released batches that are due and old ones first. `newest`: what came lately first, so that after an
 * outage fresh data need not wait behind the backlog; a backend may be coarse about it and hand out in order what is
 * younger than its backlog age.
 */
export type ClaimOrder = 'oldest' | 'newest';

/** A leased batch. `token` is the backend's own handle and means nothing to anybody else. */
export interface Claim {
  readonly batch: Batch;
  readonly token: unknown;
}

export interface RefusedPart {
  readonly batch: Batch;
  /** What the shard said of it. */
  readonly reason: string;
}

/** A batch that its shard will never take. What was damaged in the store is known by its ledger entry only. */
export interface DeadLetter extends Pick<BatchInfo, 'id' | 'shard' | 'signal' | 'records' | 'acceptedAtMs'> {
  readonly sizeBytes: number;
  readonly reason: string;
  readonly deadAtMs: number;
}

export interface QueueStanding {
  /** What about the backend may cost stored batches, each with what to change; none where it keeps its word. */
  readonly risks: readonly string[];
  /** Part of the memory it may use that it uses, from 0 to 1; `undefined` where it has no such limit. */
  readonly memoryShare: number | undefined;
}

export type RecordCounts = Readonly<Record<Signal, number>>;

export interface LaneStats {
  /** Batches stored and not settled, claimed ones included. */
  readonly batches: number;
  /** Payload bytes of those. */
  readonly sizeBytes: number;
  /** Acceptance time of the oldest of those, milliseconds since the epoch; `undefined` when there are none. */
  readonly oldestAcceptedAtMs: number | undefined;
  /** Dead letters kept. */
  readonly deadBatches: number;
  /** Records ever stored, delivered, dead-lettered (and not replayed) and rerouted; queued is what remains. */
  readonly accepted: RecordCounts;
  readonly delivered: RecordCounts;
  readonly deadLettered: RecordCounts;
  readonly rerouted: RecordCounts;
}

export interface LaneAudit extends Pick<LaneStats, 'accepted' | 'delivered' | 'deadLettered' | 'rerouted'> {
  /** Records of the batches that are there, added up one by one. */
  readonly queued: RecordCounts;
}
