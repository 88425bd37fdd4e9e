import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Component, once } from '../../shared/lifecycle.ts';
import type { Clock } from '../../shared/time.ts';
import type { IngestEvents } from '../ingest-events.ts';
import type { Batch } from '../queue/batch.ts';
import type { BatchQueue, Claim, RefusedPart } from '../queue/batch-queue.ts';
import { createConcurrency } from './aimd.ts';
import { backoffMs } from './backoff.ts';
import { bisect, type Verdicts } from './bisect.ts';
import { type BreakerState, createBreaker } from './breaker.ts';
import { createHorizon } from './horizon.ts';
import { createLaneLog } from './lane-log.ts';
import type { DeliveryOutcome, Retry, Send } from './outcome.ts';
import { createPacer } from './pacer.ts';

/** Carries one shard's batches from the queue to the shard. `stop` lets sends in hand finish for a moment. */
export interface Lane extends Component {
  /** Cheap, for metrics. */
  state(): LaneState;
}

export interface LaneState {
  readonly breaker: BreakerState;
  /** Batches that may be on the way at once. */
  readonly concurrency: number;
  /** Batches that are. */
  readonly inFlight: number;
  /** The last one, whatever came after it. */
  readonly lastFailure: { readonly reason: string; readonly atMs: number } | undefined;
}

export interface LaneOptions {
  /** Most batches on the way at once; fewer while the shard is slow or refuses. */
  readonly concurrency: number;
  /** Longest pause after the first failure; doubles from there. */
  readonly retryInitialMs: number;
  readonly retryMaxMs: number;
  /** Age at which a batch that cannot be delivered becomes a dead letter. */
  readonly horizonMs: number;
  /** How long a batch past the horizon is tried by this process before it is given up. Default 5 min. */
  readonly horizonTriedMs?: number;
  /** First pause between looks at an empty lane; batches of other processes are noticed by looking only. */
  readonly idlePollMs: number;
  /** Longest pause between those looks. Default ten times the first. */
  readonly idlePollMaxMs?: number;
  /** How long a rejected batch is cut under one claim; with the timeout of a send less than the lease. Default 4 s. */
  readonly cutMs?: number;
  /** How long `stop` waits for sends in hand. Default 5 s. */
  readonly stopGraceMs?: number;
}

export interface LaneParts {
  readonly shard: string;
  readonly queue: BatchQueue;
  readonly send: Send;
  readonly options: LaneOptions;
  readonly events: Pick<IngestEvents, 'sent' | 'deadLettered'>;
  readonly clock: Clock;
  /** Evenly from [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
}

const DEFAULT_HORIZON_TRIED_MS = 5 * 60_000;
const DEFAULT_CUT_MS = 4_000;
const DEFAULT_STOP_GRACE_MS = 5_000;
/** Failures in a row that open the breaker: fewer than go out at once by default, more than one bad batch makes. */
const BREAKER_THRESHOLD = 3;
/** Every so many claims one asks for the oldest, so that the backlog moves while fresh batches keep coming. */
const CLAIMS_PER_OLDEST = 4;
/** A settlement that fails is tried again so often before the batch is left to its lease, and then sent again. */
const SETTLE_TRIES = 3;
/** Batches whose cutting was interrupted; of more, one is cut from the start again. */
const MAX_UNFINISHED = 64;
/** Batches that are not to be given up, met while those that are are looked for. */
const MAX_SPARED = 16;

/**
 * The breaker's pauses are the lane's: a dead shard costs a probe now and then, which is a real batch, and the first
 * success opens the lane again. A batch that failed also rests by itself, longer the older it is, so that one batch
 * which a healthy shard cannot store does not hold up the others.
 */
export function createLane(parts: LaneParts): Lane {
  const { shard, queue, send, options, events, clock, random, logger } = parts;
  const { retryInitialMs, retryMaxMs, horizonMs } = options;
  const backoff = { initialMs: retryInitialMs, maxMs: retryMaxMs, random };
  const log = createLaneLog({ logger, shard, clock });
  const breaker = createBreaker({ ...backoff, clock, threshold: BREAKER_THRESHOLD });
  const concurrency = createConcurrency({ max: options.concurrency, clock });
  const horizon = createHorizon({
    horizonMs,
    triedMs: options.horizonTriedMs ?? DEFAULT_HORIZON_TRIED_MS,
    clock,
  });
  const pacer = createPacer({
    idleMs: options.idlePollMs,
    idleMaxMs: options.idlePollMaxMs ?? options.idlePollMs * 10,
    random,
  });
  const stopping = new AbortController();
  const givingUp = new AbortController();
  const inHand = new Set<Promise<void>>();
  const unfinished = new Map<string, Verdicts>();
  let lastFailure: LaneState['lastFailure'];
  let claims = 0;
  let queueFailures = 0;
  let queueReadyAtMs = 0;
  let isClearedOfOld = false;

  function queueFailed(error: unknown): void {
    queueFailures += 1;
    log.queueBad(error);
    queueReadyAtMs = clock.now() + backoffMs(queueFailures, backoff);
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const waitMs = Math.max(queueReadyAtMs - clock.now(), breaker.waitMs());
      try {
        if (waitMs > 0) {
          await clearOfOld();
          await pacer.pause(waitMs);
        } else if (inHand.size >= concurrency.limit()) await pacer.pause(Number.POSITIVE_INFINITY);
        else await next();
      } catch (error) {
        queueFailed(error);
      }
    }
  }

  async function next(): Promise<void> {
    claims += 1;
    isClearedOfOld = false;
    const look = pacer.look();
    const claim = await queue.claim(shard, claims % CLAIMS_PER_OLDEST === 0 ? 'oldest' : 'newest');
    queueFailures = 0;
    log.queueGood();
    if (claim === undefined) return await look.foundNothing();
    look.foundSomething();
    // What was on the way may have opened the breaker meanwhile.
    if (stopping.signal.aborted || breaker.waitMs() > 0) await queue.release(claim, 0);
    else handle(claim);
  }

  /** After a failed probe of a shard that is long gone: what is past the horizon goes without another probe each. */
  async function clearOfOld(): Promise<void> {
    if (isClearedOfOld || !horizon.isShardLost() || breaker.state() !== 'open') return;
    isClearedOfOld = true;
    for (let spared = 0; spared < MAX_SPARED && !stopping.signal.aborted; ) {
      const claim = await queue.claim(shard, 'oldest');
      if (claim === undefined) return;
      if (horizon.isPassed(claim.batch)) await deadLetter(claim, tooOld(lastFailure?.reason ?? ''));
      else {
        spared += 1;
        await queue.release(claim, breaker.waitMs());
      }
    }
  }

  function handle(claim: Claim): void {
    const work = deliver(claim)
      .catch(queueFailed)
      .finally(() => {
        inHand.delete(work);
        pacer.ready();
      });
    inHand.add(work);
  }

  async function deliver(claim: Claim): Promise<void> {
    const { batch } = claim;
    const claimedAtMs = clock.now();
    let verdicts = unfinished.get(batch.id);
    if (verdicts === undefined) {
      const outcome = await attempt(batch);
      if (outcome.kind === 'delivered') return await settle(() => queue.ack(claim));
      if (outcome.kind === 'retry') return await giveBack(claim, outcome);
      verdicts = new Map([[batch.id, outcome]]);
    }
    const hasTime = () =>
      clock.now() - claimedAtMs < (options.cutMs ?? DEFAULT_CUT_MS) &&
      !stopping.signal.aborted &&
      breaker.waitMs() === 0;
    const result = await bisect({ batch, verdicts, send: attempt, hasTime });
    unfinished.delete(batch.id);
    if (result.kind === 'settled') return await settleExcept(claim, result.refused);
    remember(batch.id, verdicts);
    if (result.because === 'out of time') return await queue.release(claim, 0);
    await giveBack(claim, result.because);
  }

  function remember(id: string, verdicts: Verdicts): void {
    unfinished.set(id, verdicts);
    const [longestKnown] = unfinished.keys();
    if (unfinished.size > MAX_UNFINISHED && longestKnown !== undefined) unfinished.delete(longestKnown);
  }

  async function attempt(batch: Batch): Promise<DeliveryOutcome> {
    const startedAtMs = clock.now();
    const probe = breaker.attempt();
    const sent = concurrency.started(inHand.size + 1);
    const outcome = await send(batch, givingUp.signal);
    const isUnsent = outcome.kind === 'reject' && outcome.unsent === true;
    if (isUnsent || (outcome.kind === 'retry' && givingUp.signal.aborted)) {
      probe.abandoned();
      return outcome;
    }
    events.sent({
      shard,
      signal: batch.signal,
      records: batch.records,
      outcome: outcome.kind,
      durationSeconds: (clock.now() - startedAtMs) / 1000,
    });
    if (outcome.kind === 'retry') {
      lastFailure = { reason: outcome.reason, atMs: clock.now() };
      probe.failed(outcome.afterMs);
      sent.failed();
      log.shardBad(outcome.reason);
    } else {
      probe.succeeded();
      sent.succeeded();
      horizon.answered(batch);
      log.shardGood();
    }
    return outcome;
  }

  async function giveBack(claim: Claim, { reason }: Retry): Promise<void> {
    const { batch } = claim;
    if (givingUp.signal.aborted) return await queue.release(claim, 0);
    horizon.failed(batch);
    if (horizon.isPassed(batch)) return await deadLetter(claim, tooOld(reason));
    const ageMs = clock.now() - batch.acceptedAtMs;
    const delayMs = Math.min(retryMaxMs, Math.max(retryInitialMs, ageMs)) * random();
    await queue.release(claim, delayMs);
    pacer.dueIn(delayMs);
  }

  async function settleExcept(claim: Claim, refused: readonly RefusedPart[]): Promise<void> {
    const [first] = refused;
    if (first === undefined) return await settle(() => queue.ack(claim));
    if (first.batch.id === claim.batch.id) return await deadLetter(claim, first.reason);
    await settle(() => queue.ackExcept(claim, refused));
    for (const part of refused) buried(part.batch, part.reason);
  }

  async function deadLetter(claim: Claim, reason: string): Promise<void> {
    await settle(() => queue.deadLetter(claim, reason));
    buried(claim.batch, reason);
  }

  function buried({ id, signal, records }: Batch, reason: string): void {
    events.deadLettered({ shard, signal, records });
    log.deadLettered(id, reason);
  }

  /** Settling twice counts once, so what is not known to have happened is done again. */
  async function settle(change: () => Promise<void>): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await change();
      } catch (error) {
        if (tries === SETTLE_TRIES) throw error;
        queueFailed(error);
        await sleep(backoffMs(tries, backoff), undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  }

  const tooOld = (reason: string) => `not delivered within ${horizonMs} ms; last: ${reason}`;

  queue.onEnqueued(enqueuedFor => {
    if (enqueuedFor === shard) pacer.arrived();
  });
  const running = run();

  return {
    state: () => ({
      breaker: breaker.state(),
      concurrency: concurrency.limit(),
      inFlight: inHand.size,
      lastFailure,
    }),
    stop: once(async () => {
      stopping.abort();
      pacer.end();
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
