import { MAX_SLICES_PER_BATCH, type SliceInfo } from '../shared/otlp/batch-header.ts';
import { SIGNALS, type Signal } from '../shared/otlp/signal.ts';
import type { Clock } from '../shared/time.ts';
import type { Batch } from './queue/batch.ts';
import type { BatchQueue, EnqueueOutcome } from './queue/batch-queue.ts';

/**
 * Group commit: slices of concurrent requests for one shard wait together while that shard's previous commit is
 * under way, are stored as one batch per signal, and then all their senders are answered. Nothing is acknowledged
 * from memory; the promise of {@link Batcher.store} is the queue's own answer.
 */
export interface Batcher {
  store(slice: PendingSlice): Promise<EnqueueOutcome>;
  /** Resolves when everything given so far was answered. */
  drain(): Promise<void>;
}

export interface PendingSlice {
  readonly shard: string;
  readonly signal: Signal;
  readonly topologyVersion: number;
  readonly exportId: string;
  readonly bytes: Buffer;
  readonly records: number;
}

interface BatcherOptions {
  readonly queue: Pick<BatchQueue, 'enqueue'>;
  /** Size at which a group is stored without waiting for more. */
  readonly batchBytes: number;
  /** A new UUIDv7. */
  readonly newId: () => string;
  readonly clock: Clock;
}

/** The commit an idle shard waits for: long enough to meet the requests that arrive together. */
const MIN_WAIT_MS = 1;
/** The longest a slice waits behind a commit that is under way. */
const MAX_WAIT_MS = 10;

export function createBatcher(options: BatcherOptions): Batcher {
  const lanes = new Map<string, LaneGroup>();
  return {
    store(slice) {
      let lane = lanes.get(slice.shard);
      if (lane === undefined) {
        lane = new LaneGroup(options);
        lanes.set(slice.shard, lane);
      }
      return lane.add(slice);
    },
    async drain() {
      await Promise.all([...lanes.values()].map(lane => lane.drain()));
    },
  };
}

interface Waiting {
  readonly slice: PendingSlice;
  readonly answer: (outcome: EnqueueOutcome) => void;
}

/** The slices of one shard that wait for the next commit, and the commits under way. */
class LaneGroup {
  readonly #options: BatcherOptions;
  readonly #commits = new Set<Promise<void>>();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #minWait: NodeJS.Timeout | undefined;
  #maxWait: NodeJS.Timeout | undefined;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  add(slice: PendingSlice): Promise<EnqueueOutcome> {
    return new Promise(answer => {
      this.#waiting.push({ slice, answer });
      this.#waitingBytes += slice.bytes.length;
      if (this.#waitingBytes >= this.#options.batchBytes) {
        this.#commit();
      } else if (this.#waiting.length === 1) {
        this.#minWait = setTimeout(() => this.#minWaitOver(), MIN_WAIT_MS);
        this.#maxWait = setTimeout(() => this.#commit(), MAX_WAIT_MS);
      }
    });
  }

  async drain(): Promise<void> {
    this.#commit();
    await Promise.all(this.#commits);
  }

  #minWaitOver(): void {
    this.#minWait = undefined;
    if (this.#commits.size === 0) this.#commit();
  }

  #commit(): void {
    clearTimeout(this.#minWait);
    clearTimeout(this.#maxWait);
    this.#minWait = undefined;
    const group = this.#waiting;
    if (group.length === 0) return;
    this.#waiting = [];
    this.#waitingBytes = 0;
    const commit = this.#store(group).finally(() => {
      this.#commits.delete(commit);
      const hasWaitedEnough = this.#minWait === undefined;
      if (this.#commits.size === 0 && hasWaitedEnough) this.#commit();
    });
    this.#commits.add(commit);
  }

  async #store(group: readonly Waiting[]): Promise<void> {
    const parts = SIGNALS.flatMap(signal =>
      chunksOf(
        group.filter(({ slice }) => slice.signal === signal),
        this.#options.batchBytes,
      ),
    );
    let outcome: EnqueueOutcome;
    try {
      outcome = await this.#options.queue.enqueue(
        parts.map(part => this.#batchOf(part.map(({ slice }) => slice))),
      );
    } catch (error) {
      outcome = { kind: 'unavailable', reason: `the queue failed: ${(error as Error).message}` };
    }
    for (const { answer } of group) answer(outcome);
  }

  #batchOf(slices: readonly PendingSlice[]): Batch {
    const [first] = slices as [PendingSlice];
    return {
      id: this.#options.newId(),
      shard: first.shard,
      signal: first.signal,
      records: slices.reduce((sum, slice) => sum + slice.records, 0),
      acceptedAtMs: this.#options.clock.now(),
      topologyVersion: first.topologyVersion,
      slices: slices.map(({ exportId, bytes }): SliceInfo => ({ exportId, sizeBytes: bytes.length })),
      payload: slices.length === 1 ? first.bytes : Buffer.concat(slices.map(({ bytes }) => bytes)),
    };
  }
}

/** Cuts a group into batches of at most about `maxBytes` whose slices fit the batch header and one topology version. */
function chunksOf(group: readonly Waiting[], maxBytes: number): Waiting[][] {
  const chunks: Waiting[][] = [];
  let chunkBytes = 0;
  for (const waiting of group) {
    const chunk = chunks.at(-1);
    const { slice } = waiting;
    if (
      chunk === undefined ||
      chunk.length === MAX_SLICES_PER_BATCH ||
      chunkBytes + slice.bytes.length > maxBytes ||
      chunk[0]?.slice.topologyVersion !== slice.topologyVersion
    ) {
      chunks.push([waiting]);
      chunkBytes = slice.bytes.length;
    } else {
      chunk.push(waiting);
      chunkBytes += slice.bytes.length;
    }
  }
  return chunks;
}
