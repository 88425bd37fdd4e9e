import type { ShardSpec } from '../shared/topology/topology.ts';
import { deadlineReason } from './deadline.ts';
import type { CallOutcome } from './shard-call.ts';

export interface FanOutOptions<T> {
  readonly shards: readonly ShardSpec[];
  readonly call: (shard: ShardSpec, signal: AbortSignal) => Promise<CallOutcome<T>>;
  /** One deadline for all shards, the repeat of a call included. */
  readonly timeoutMs: number;
  /** When the time began to run, on the clock of `performance.now()`; absent for now. */
  readonly startMs?: number;
  /** Of the time that is left when a first shard has answered, what the others have; absent for all of it. */
  readonly laggardShare?: number;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Give up the other shards when one has failed: the answer cannot be used anyway. */
  readonly failFast: boolean;
}

/** What became of one shard's call. */
export type Slot<T> = { readonly shardId: string; readonly elapsedMs: number } & (
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'cut'; readonly value: T; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }
  /** The shard finds fault with the question. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The snapshot that was asked for cannot be read any more. */
  | { readonly kind: 'gone'; readonly reason: string }
  /** Not waited for, through no fault of the shard. */
  | { readonly kind: 'abandoned'; readonly reason: string }
);

/**
 * Asks all shards at once and settles when each has answered, failed or been given up, so that the slowest costs at
 * most the deadline. Slots are in the order of the shards.
 */
export async function fanOut<T>({
  shards,
  call,
  timeoutMs,
  startMs = performance.now(),
  laggardShare = 1,
  signal,
  failFast,
}: FanOutOptions<T>): Promise<Slot<T>[]> {
  const calls = new AbortController();
  const ended = Promise.withResolvers<Ending>();
  const end = (ending: Ending) => {
    // Resolved first: whatever the aborted calls then settle with comes too late.
    ended.resolve(ending);
    calls.abort(ending.kind === 'failed' ? deadlineReason(ending.reason) : undefined);
  };
  const abandon = () => end({ kind: 'abandoned', reason: 'the request was cancelled' });
  let deadline: NodeJS.Timeout | undefined;
  /** @param ms - since the time began to run */
  const endAt = (ms: number) => {
    clearTimeout(deadline);
    const reason = `no answer within ${Math.round(ms)} ms`;
    deadline = setTimeout(
      () => end({ kind: 'failed', reason }),
      Math.max(0, startMs + ms - performance.now()),
    );
  };
  let hasAnswer = false;
  const hurry = () => {
    if (hasAnswer) return;
    hasAnswer = true;
    const spentMs = performance.now() - startMs;
    endAt(spentMs + laggardShare * (timeoutMs - spentMs));
  };
  endAt(timeoutMs);
  signal.addEventListener('abort', abandon, { once: true });
  if (signal.aborted) abandon();

  async function ask(shard: ShardSpec): Promise<Slot<T>> {
    const askedMs = performance.now();
    const outcome = await Promise.race([callTwice(shard, call, calls.signal), ended.promise]);
    const slot = { shardId: shard.id, elapsedMs: Math.round(performance.now() - askedMs) };
    if (laggardShare < 1 && 'value' in outcome) hurry();
    // Of a question that is at fault every shard says so at once, and is to be heard.
    if (failFast && outcome.kind !== 'answered' && outcome.kind !== 'refused') {
      end({ kind: 'abandoned', reason: `not waited for: ${shard.id} had failed` });
    }
    return outcome.kind === 'unreachable'
      ? { ...slot, kind: 'failed', reason: outcome.reason }
      : { ...slot, ...outcome };
  }

  try {
    return await Promise.all(shards.map(ask));
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener('abort', abandon);
  }
}

interface Ending {
  readonly kind: 'failed' | 'abandoned';
  readonly reason: string;
}

/** A connection that the shard closed while it lay idle fails the first call; the second opens a new one. */
export async function callTwice<T>(
  shard: ShardSpec,
  call: FanOutOptions<T>['call'],
  signal: AbortSignal,
): Promise<CallOutcome<T>> {
  const first = await call(shard, signal);
  return first.kind === 'unreachable' && !signal.aborted ? call(shard, signal) : first;
}
