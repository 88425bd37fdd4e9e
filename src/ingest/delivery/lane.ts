import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { backoffMs } from '../../shared/backoff.ts';
import { type BreakerState, createBreaker } from '../../shared/breaker.ts';
import { type Component, once } from '../../shared/lifecycle.ts';
import type { Clock } from '../../shared/time.ts';
import type { IngestEvents } from '../ingest-events.ts';
import type { BatchQueue, Claim } from '../queue/batch-queue.ts';
import { createConcurrency } from './aimd.ts';
import { createCourier, type LastFailure } from './courier.ts';
import { createHorizon } from './horizon.ts';
import { createLaneLog } from './lane-log.ts';
import type { Send } from './outcome.ts';
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
  readonly lastFailure: LastFailure | undefined;
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
  readonly events: Pick<IngestEvents, 'sent' | 'shardRefused' | 'deadLettered'>;
  readonly clock: Clock;
  /** For pauses and durations; does not jump. */
  readonly steady: Clock;
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
/** Batches that are not to be given up, met while those that are are looked for. */
const MAX_SPARED = 16;

/**
 * Claims batches as fast as the shard takes them and lets a courier carry each. The breaker's pauses are the lane's:
 * a dead shard costs a probe now and then, which is a real batch, and the first success opens the lane again.
 */
export function createLane(parts: LaneParts): Lane {
  const { shard, queue, send, options, events, clock, steady, random, logger } = parts;
  const { horizonMs } = options;
  const backoff = { initialMs: options.retryInitialMs, maxMs: options.retryMaxMs, random };
  const log = createLaneLog({ logger, shard, clock: steady });
  const breaker = createBreaker({ ...backoff, clock: steady, threshold: BREAKER_THRESHOLD });
  const concurrency = createConcurrency({ max: options.concurrency, clock: steady });
  const horizon = createHorizon({
    horizonMs,
    triedMs: options.horizonTriedMs ?? DEFAULT_HORIZON_TRIED_MS,
    clock,
    steady,
  });
  const pacer = createPacer({
    idleMs: options.idlePollMs,
    idleMaxMs: options.idlePollMaxMs ?? options.idlePollMs * 10,
    random,
  });
  const stopping = new AbortController();
  const givingUp = new AbortController();
  const inHand = new Set<Promise<void>>();
  const courier = createCourier({
    shard,
    queue,
    send,
    events,
    clock,
    steady,
    breaker,
    concurrency,
    horizon,
    horizonMs,
    backoff,
    cutMs: options.cutMs ?? DEFAULT_CUT_MS,
    log,
    inFlight: () => inHand.size,
    dueIn: pacer.dueIn,
    partSent: pacer.ready,
    stopping: stopping.signal,
    givingUp: givingUp.signal,
  });
  let claims = 0;
  let queueFailures = 0;
  let queueReadyAtMs = 0;
  let isClearedOfOld = false;

  function queueFailed(error: unknown): void {
    queueFailures += 1;
    log.queueBad(error);
    queueReadyAtMs = steady.now() + backoffMs(queueFailures, backoff);
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const waitMs = Math.max(queueReadyAtMs - steady.now(), breaker.waitMs());
      try {
        if (waitMs > 0) {
          if (!(await clearOfOld())) await pacer.pause(waitMs);
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

  /**
   * After a failed probe of a shard that is long gone: what is past the horizon goes without another probe each.
   * Resolves to whether it looked, which it does once per probe.
   */
  async function clearOfOld(): Promise<boolean> {
    if (isClearedOfOld || !horizon.isShardLost() || breaker.state() !== 'open') return false;
    isClearedOfOld = true;
    // When the next probe is due, it goes first.
    for (let spared = 0; spared < MAX_SPARED && breaker.state() === 'open' && !stopping.signal.aborted; ) {
      const claim = await queue.claim(shard, 'oldest');
      if (claim === undefined) return true;
      if (horizon.isPassed(claim.batch)) await courier.giveUp(claim);
      else {
        spared += 1;
        await queue.release(claim, breaker.waitMs());
      }
    }
    return true;
  }

  function handle(claim: Claim): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    inHand.add(promise);
    // Begins at once: the next look at the breaker has to see this batch as its probe.
    void courier
      .deliver(claim)
      .catch(queueFailed)
      .finally(() => {
        inHand.delete(promise);
        resolve();
        pacer.ready();
      });
  }

  const endListening = queue.onEnqueued(enqueuedFor => {
    if (enqueuedFor === shard) pacer.arrived();
  });
  const running = run();

  return {
    state: () => ({
      breaker: breaker.state(),
      concurrency: concurrency.limit(),
      inFlight: inHand.size,
      lastFailure: courier.lastFailure(),
    }),
    stop: once(async () => {
      stopping.abort();
      endListening();
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
