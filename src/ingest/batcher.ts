import { setTimeout as sleep } from 'node:timers/promises';
import type { BufferPool } from '../shared/buffer-pool.ts';
import { MAX_SLICES_PER_BATCH, type SliceInfo } from '../shared/otlp/batch-header.ts';
import type { Signal } from '../shared/otlp/signal.ts';
import type { Clock } from '../shared/time.ts';
import type { Batch } from './queue/batch.ts';
import type { BatchQueue, EnqueueOutcome } from './queue/batch-queue.ts';

/**
 * Group commit: the slices of concurrent requests wait together while the commit before is under way, are stored as
 * one batch per shard and signal, and then all their senders are answered. Nothing is acknowledged from memory; the
 * promise of {@link Batcher.store} is the queue's own answer.
 */
export interface Batcher {
  store(request: PendingExport): Promise<StoreOutcome>;
  /** Resolves when everything given so far was answered. */
  drain(): Promise<void>;
}

/** What one request has for the queue. */
export interface PendingExport {
  readonly signal: Signal;
  readonly topologyVersion: number;
  readonly exportId: string;
  /** When its sender stops waiting, milliseconds since the epoch. */
  readonly deadlineMs: number;
  readonly slices: readonly PendingSlice[];
  /**
   * Called once, when the batcher holds none of the bytes any more. That may be long after the answer: a sender whose
   * deadline came is answered, and its slices stay in batches that are stored for others.
   */
  readonly onLetGo: () => void;
}

export interface PendingSlice {
  readonly shard: string;
  readonly bytes: Buffer;
  readonly records: number;
}

export type StoreOutcome =
  | {
      readonly kind: 'stored';
      /** Whether nobody looks at the bytes of the slices any more; what had to be stored twice may still be on its way. */
      readonly isLetGo: boolean;
    }
  /** Not known to be stored, as a whole; the reason is for the sender. */
  | { readonly kind: 'unavailable'; readonly reason: string };

interface BatcherOptions {
  readonly queue: Pick<BatchQueue, 'enqueue'>;
  /** Size at which a shard's part of a group is stored without waiting for more; no batch of several slices is larger. */
  readonly batchBytes: number;
  /** A new UUIDv7. */
  readonly newId: () => string;
  readonly buffers: BufferPool;
  readonly clock: Clock;
  /** Deadlines are told by it; does not jump. */
  readonly steady: Clock;
}

/** What an idle batcher waits for: long enough to meet the requests that arrive together. */
const MIN_WAIT_MS = 1;
/** The longest a request waits behind a commit that is under way. */
const MAX_WAIT_MS = 10;
const RETRY_FIRST_MS = 25;
const RETRY_MAX_MS = 400;

interface Waiting {
  readonly request: PendingExport;
  readonly answer: (outcome: StoreOutcome) => void;
}

export function createBatcher(options: BatcherOptions): Batcher {
  return new GroupCommit(options);
}

class GroupCommit implements Batcher {
  readonly #options: BatcherOptions;
  readonly #commits = new Set<Promise<void>>();
  #waiting: Waiting[] = [];
  #waitingBytes = new Map<string, number>();
  #minWait: NodeJS.Timeout | undefined;
  #maxWait: NodeJS.Timeout | undefined;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  store(request: PendingExport): Promise<StoreOutcome> {
    return new Promise(answer => {
      this.#waiting.push({ request, answer });
      if (this.#addBytes(request) >= this.#options.batchBytes) {
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

  /** Returns the bytes that wait for the fullest of the request's shards. */
  #addBytes({ slices }: PendingExport): number {
    let most = 0;
    for (const { shard, bytes } of slices) {
      const waiting = (this.#waitingBytes.get(shard) ?? 0) + bytes.length;
      this.#waitingBytes.set(shard, waiting);
      most = Math.max(most, waiting);
    }
    return most;
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
    this.#waitingBytes = new Map();
    const commit = this.#storeGroup(group).finally(() => {
      for (const { request } of group) request.onLetGo();
      this.#commits.delete(commit);
      const hasWaitedEnough = this.#minWait === undefined;
      if (this.#commits.size === 0 && hasWaitedEnough) this.#commit();
    });
    this.#commits.add(commit);
  }

  /** Stores what of the group is not known to be stored, under the same ids, until every sender has its answer. */
  async #storeGroup(group: readonly Waiting[]): Promise<void> {
    const { buffers, steady } = this.#options;
    let batches = batchesOf(group, this.#options);
    const first = await this.#enqueue(batches);
    if (first.kind === 'stored') {
      for (const { slices, payload } of batches) if (slices.length > 1) buffers.give(payload);
      return answerAll(group, { kind: 'stored', isLetGo: true });
    }
    let outcome = first;
    let open = group;
    for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS)) {
      const { reason } = outcome;
      if (outcome.kind === 'refused') return answerAll(open, { kind: 'unavailable', reason });
      const { shards } = outcome;
      const isUnknown = ({ shard }: { readonly shard: string }) => shards.has(shard);
      batches = batches.filter(isUnknown);
      const stored = open.filter(({ request }) => !request.slices.some(isUnknown));
      answerAll(stored, { kind: 'stored', isLetGo: false });
      const retryAtMs = steady.now() + pauseMs;
      const isLate = ({ request }: Waiting) => request.deadlineMs <= retryAtMs;
      open = open.filter(({ request }) => request.slices.some(isUnknown));
      answerAll(open.filter(isLate), { kind: 'unavailable', reason });
      open = open.filter(waiting => !isLate(waiting));
      if (open.length === 0) return;
      await sleep(pauseMs);
      const next = await this.#enqueue(batches);
      if (next.kind === 'stored') return answerAll(open, { kind: 'stored', isLetGo: false });
      outcome = next;
    }
  }

  async #enqueue(batches: readonly Batch[]): Promise<EnqueueOutcome> {
    try {
      return await this.#options.queue.enqueue(batches);
    } catch (error) {
      return { kind: 'refused', reason: `the queue failed: ${(error as Error).message}` };
    }
  }
}

function answerAll(waiting: readonly Waiting[], outcome: StoreOutcome): void {
  for (const { answer } of waiting) answer(outcome);
}

/** A batch that is being put together. */
interface Draft {
  readonly shard: string;
  readonly signal: Signal;
  readonly topologyVersion: number;
  readonly slices: SliceInfo[];
  readonly parts: Buffer[];
  records: number;
  sizeBytes: number;
}

/** One batch per shard, signal and topology version, or several where one would be too large. */
function batchesOf(
  group: readonly Waiting[],
  { batchBytes, newId, buffers, clock }: Omit<BatcherOptions, 'queue' | 'steady'>,
): Batch[] {
  const drafts: Draft[] = [];
  const open = new Map<string, Draft>();
  for (const { request } of group) {
    const { signal, topologyVersion, exportId } = request;
    for (const { shard, bytes, records } of request.slices) {
      const key = `${signal} ${topologyVersion} ${shard}`;
      let draft = open.get(key);
      const isFull =
        draft !== undefined &&
        (draft.slices.length === MAX_SLICES_PER_BATCH || draft.sizeBytes + bytes.length > batchBytes);
      if (draft === undefined || isFull) {
        draft = { shard, signal, topologyVersion, slices: [], parts: [], records: 0, sizeBytes: 0 };
        open.set(key, draft);
        drafts.push(draft);
      }
      draft.slices.push({ exportId, sizeBytes: bytes.length });
      draft.parts.push(bytes);
      draft.records += records;
      draft.sizeBytes += bytes.length;
    }
  }
  const acceptedAtMs = clock.now();
  return drafts.map(({ shard, signal, topologyVersion, slices, parts, records, sizeBytes }) => ({
    id: newId(),
    shard,
    signal,
    records,
    acceptedAtMs,
    topologyVersion,
    slices,
    payload: parts.length === 1 ? (parts[0] as Buffer) : concat(parts, buffers.take(sizeBytes)),
  }));
}

function concat(parts: readonly Buffer[], target: Buffer): Buffer {
  let at = 0;
  for (const part of parts) at += part.copy(target, at);
  return target;
}
