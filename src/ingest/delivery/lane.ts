import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Component, once } from '../../shared/lifecycle.ts';
import type { Clock } from '../../shared/time.ts';
import type { Batch } from '../queue/batch.ts';
import type { BatchQueue, Claim } from '../queue/batch-queue.ts';
import { createLaneLog } from './lane-log.ts';
import type { DeliveryOutcome } from './outcome.ts';

/** Carries one shard's batches from the queue to the shard. `stop` lets sends in hand finish for a moment. */
export type Lane = Component;

export interface LaneOptions {
  /** Batches on the way at once while the shard takes them. */
  readonly concurrency: number;
  /** Longest pause after the first failure; doubles from there. */
  readonly retryInitialMs: number;
  readonly retryMaxMs: number;
  /** Age at which a batch that cannot be delivered becomes a dead letter. */
  readonly horizonMs: number;
  /** Pause between looks at an empty lane; batches of other processes are noticed by looking only. */
  readonly idlePollMs: number;
  /** How long `stop` waits for sends in hand. Default 5 s. */
  readonly stopGraceMs?: number;
}

export interface LaneParts {
  readonly shard: string;
  readonly queue: BatchQueue;
  /** Never rejects. */
  readonly send: (batch: Batch, signal: AbortSignal) => Promise<DeliveryOutcome>;
  readonly options: LaneOptions;
  readonly clock: Clock;
  /** Evenly from [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
}

const DEFAULT_STOP_GRACE_MS = 5_000;

/** A shard may ask for a longer pause than ours, but not for any. */
const MAX_RETRY_AFTER_MS = 5 * 60_000;

/**
 * The pauses are the lane's, not the batch's: after a failure a single batch is tried at a time, so a dead shard
 * costs a probe now and then, and the first success opens the lane again. A batch that failed also rests by itself,
 * longer the older it is, so that one batch which a healthy shard cannot store does not hold up the others.
 */
export function createLane({ shard, queue, send, options, clock, random, logger }: LaneParts): Lane {
  const { retryInitialMs, retryMaxMs, horizonMs } = options;
  const log = createLaneLog({ logger, shard, clock });
  const stopping = new AbortController();
  const givingUp = new AbortController();
  const inHand = new Set<Promise<void>>();
  /** Failed sends in a row, counting those that were on the way together once. */
  let failures = 0;
  let lastReason = '';
  let queueFailures = 0;
  let resting: Promise<unknown> = Promise.resolve();
  let dueInMs = options.idlePollMs;
  let wake = Promise.withResolvers<void>();

  /** Ends early, without an error, when the lane stops. */
  const rest = (ms: number) => sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined);

  function backOffMs(count: number): number {
    return random() * Math.min(retryMaxMs, retryInitialMs * 2 ** (count - 1));
  }

  function queueFailed(error: unknown): void {
    queueFailures += 1;
    log.queueBad(error);
    resting = rest(backOffMs(queueFailures));
  }

  async function run(): Promise<void> {
    for (;;) {
      await resting;
      if (stopping.signal.aborted) return;
      wake = Promise.withResolvers<void>();
      if (inHand.size >= (failures === 0 ? options.concurrency : 1)) {
        await wake.promise;
        continue;
      }
      try {
        const claim = await queue.claim(shard);
        queueFailures = 0;
        log.queueGood();
        if (claim === undefined) await idle();
        else if (stopping.signal.aborted) await queue.release(claim, 0);
        else handle(claim);
      } catch (error) {
        queueFailed(error);
      }
    }
  }

  async function idle(): Promise<void> {
    const timer = new AbortController();
    const ms = dueInMs;
    dueInMs = options.idlePollMs;
    const poll = sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([wake.promise, poll]);
    timer.abort();
  }

  function handle(claim: Claim): void {
    const work = deliver(claim)
      .catch(queueFailed)
      .finally(() => {
        inHand.delete(work);
        wake.resolve();
      });
    inHand.add(work);
  }

  async function deliver(claim: Claim): Promise<void> {
    const { batch } = claim;
    const ageMs = () => clock.now() - batch.acceptedAtMs;
    if (failures > 0 && ageMs() >= horizonMs) return await deadLetter(claim, tooOld(lastReason));
    const failuresBefore = failures;
    const outcome = await send(batch, givingUp.signal);
    switch (outcome.kind) {
      case 'delivered':
        recovered();
        return await queue.ack(claim);
      case 'reject':
        recovered();
        return await deadLetter(claim, outcome.reason);
      case 'retry':
        if (givingUp.signal.aborted) return await queue.release(claim, 0);
        failed(outcome, failuresBefore);
        if (ageMs() >= horizonMs) return await deadLetter(claim, tooOld(outcome.reason));
        return await postpone(claim, ageMs());
    }
  }

  function recovered(): void {
    failures = 0;
    log.shardGood();
  }

  function failed(outcome: DeliveryOutcome & { kind: 'retry' }, failuresBefore: number): void {
    failures = Math.max(failures, failuresBefore + 1);
    lastReason = outcome.reason;
    log.shardBad(outcome.reason);
    resting = rest(Math.max(backOffMs(failures), Math.min(outcome.afterMs ?? 0, MAX_RETRY_AFTER_MS)));
  }

  async function postpone(claim: Claim, ageMs: number): Promise<void> {
    const delayMs = Math.min(retryMaxMs, Math.max(retryInitialMs, ageMs)) * random();
    await queue.release(claim, delayMs);
    dueInMs = Math.min(dueInMs, delayMs);
  }

  async function deadLetter(claim: Claim, reason: string): Promise<void> {
    await queue.deadLetter(claim, reason);
    log.deadLettered(claim.batch.id, reason);
  }

  const tooOld = (reason: string) => `not delivered within ${horizonMs} ms; last: ${reason}`;

  queue.onEnqueued(enqueuedFor => {
    if (enqueuedFor === shard) wake.resolve();
  });
  const running = run();

  return {
    stop: once(async () => {
      stopping.abort();
      wake.resolve();
      await running;
      const grace = new AbortController();
      const graceOver = sleep(options.stopGraceMs ?? DEFAULT_STOP_GRACE_MS, undefined, {
        signal: grace.signal,
      });
      await Promise.race([Promise.all(inHand), graceOver.catch(() => undefined)]);
      grace.abort();
      givingUp.abort();
      await Promise.all(inHand);
    }),
  };
}
