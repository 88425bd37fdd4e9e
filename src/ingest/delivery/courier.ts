import { setTimeout as sleep } from 'node:timers/promises';
import { type BackoffOptions, backoffMs } from '../../shared/backoff.ts';
import type { Breaker } from '../../shared/breaker.ts';
import type { Clock } from '../../shared/time.ts';
import type { IngestEvents } from '../ingest-events.ts';
import type { Batch } from '../queue/batch.ts';
import type { BatchQueue, Claim, RefusedPart } from '../queue/batch-queue.ts';
import type { Concurrency } from './aimd.ts';
import { bisect, type Verdicts } from './bisect.ts';
import type { Horizon } from './horizon.ts';
import type { LaneLog } from './lane-log.ts';
import type { DeliveryOutcome, Send } from './outcome.ts';
import type { RefusedRecords } from './partial-success.ts';

/** Takes a claimed batch to its end: delivered, given back, or a dead letter, whole or in part. */
export interface Courier {
  /** Rejects when the queue does not settle the claim, which then is left to its lease. */
  deliver(claim: Claim): Promise<void>;
  /** What the shard does not have of a batch past the horizon becomes a dead letter without another send. */
  giveUp(claim: Claim): Promise<void>;
  lastFailure(): LastFailure | undefined;
}

export interface LastFailure {
  readonly reason: string;
  readonly atMs: number;
}

export interface CourierParts {
  readonly shard: string;
  readonly queue: BatchQueue;
  readonly send: Send;
  readonly events: Pick<IngestEvents, 'sent' | 'shardRefused' | 'deadLettered'>;
  readonly clock: Clock;
  /** For durations; does not jump. */
  readonly steady: Clock;
  readonly breaker: Breaker;
  readonly concurrency: Concurrency;
  readonly horizon: Horizon;
  readonly horizonMs: number;
  readonly backoff: BackoffOptions;
  /** How long a rejected batch is cut under one claim. */
  readonly cutMs: number;
  readonly log: LaneLog;
  /** Claims in hand. */
  readonly inFlight: () => number;
  /** A batch was given back and is due in so long. */
  readonly dueIn: (ms: number) => void;
  /** A part of a batch was sent, so that something about the shard may be known before the batch has come to an end. */
  readonly partSent: () => void;
  /** Nothing more is begun. */
  readonly stopping: AbortSignal;
  /** What is on the way is given up. */
  readonly givingUp: AbortSignal;
}

/** A settlement that fails is tried again so often before the batch is left to its lease, and then sent again. */
const SETTLE_TRIES = 3;
/** Batches whose cutting was interrupted; of more, one is cut from the start again. */
const MAX_UNFINISHED = 64;

export function createCourier(parts: CourierParts): Courier {
  const { shard, queue, send, events, clock, steady, breaker, concurrency, horizon, log, backoff } = parts;
  const unfinished = new Map<string, Verdicts>();
  let lastFailure: LastFailure | undefined;

  async function deliver(claim: Claim): Promise<void> {
    const { batch } = claim;
    const claimedAtMs = steady.now();
    let verdicts = unfinished.get(batch.id);
    if (verdicts === undefined) {
      const outcome = await attempt(batch);
      if (outcome.kind === 'delivered') return await settle(() => queue.ack(claim));
      if (outcome.kind === 'retry') return await giveBack(claim);
      verdicts = new Map([[batch.id, outcome]]);
    }
    const hasTime = () =>
      steady.now() - claimedAtMs < parts.cutMs && !parts.stopping.aborted && breaker.waitMs() === 0;
    const result = await bisect({ batch, verdicts, send: attemptPart, hasTime });
    unfinished.delete(batch.id);
    if (result.kind === 'settled') return await settleExcept(claim, result.refused);
    remember(batch.id, verdicts);
    if (result.because === 'out of time') return await queue.release(claim, 0);
    await giveBack(claim);
  }

  function remember(id: string, verdicts: Verdicts): void {
    unfinished.set(id, verdicts);
    const [longestKnown] = unfinished.keys();
    if (unfinished.size > MAX_UNFINISHED && longestKnown !== undefined) unfinished.delete(longestKnown);
  }

  async function attemptPart(part: Batch): Promise<DeliveryOutcome> {
    const outcome = await attempt(part);
    parts.partSent();
    return outcome;
  }

  async function attempt(batch: Batch): Promise<DeliveryOutcome> {
    const startedAtMs = steady.now();
    const probe = breaker.attempt();
    const sent = concurrency.started(parts.inFlight());
    const outcome = await send(batch, parts.givingUp);
    const isUnsent = outcome.kind === 'reject' && outcome.unsent === true;
    if (isUnsent || (outcome.kind === 'retry' && parts.givingUp.aborted)) {
      probe.abandoned();
      return outcome;
    }
    events.sent({
      shard,
      signal: batch.signal,
      records: batch.records,
      outcome: outcome.kind,
      durationSeconds: (steady.now() - startedAtMs) / 1000,
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
      if (outcome.kind === 'delivered') tookOf(batch, outcome.refused);
    }
    return outcome;
  }

  function tookOf({ signal }: Batch, refused: RefusedRecords | undefined): void {
    if (refused === undefined) {
      log.tookAll();
      return;
    }
    events.shardRefused({ shard, signal, records: refused.records });
    log.recordsRefused(signal, refused);
  }

  /** It rests by itself, longer the older it is, so that one which a healthy shard cannot store holds up no other. */
  async function giveBack(claim: Claim): Promise<void> {
    const { batch } = claim;
    if (parts.givingUp.aborted) return await queue.release(claim, 0);
    horizon.failed(batch);
    if (horizon.isPassed(batch)) return await giveUp(claim);
    const ageMs = clock.now() - batch.acceptedAtMs;
    const delayMs = Math.min(backoff.maxMs, Math.max(backoff.initialMs, ageMs)) * backoff.random();
    await queue.release(claim, delayMs);
    parts.dueIn(delayMs);
  }

  async function giveUp(claim: Claim): Promise<void> {
    const { batch } = claim;
    const reason = `not delivered within ${parts.horizonMs} ms; last: ${lastFailure?.reason ?? 'never tried'}`;
    const verdicts = unfinished.get(batch.id);
    unfinished.delete(batch.id);
    const hasParts = [...(verdicts?.values() ?? [])].some(({ kind }) => kind === 'delivered');
    if (verdicts === undefined || !hasParts) return await deadLetter(claim, reason);
    const cut = await bisect({ batch, verdicts, send: attemptPart, hasTime: () => false });
    const open = cut.kind === 'unfinished' ? cut.open.map(part => ({ batch: part, reason })) : [];
    await settleExcept(claim, [...cut.refused, ...open]);
  }

  async function settleExcept(claim: Claim, refused: readonly RefusedPart[]): Promise<void> {
    const [first] = refused;
    if (first === undefined) return await settle(() => queue.ack(claim));
    if (first.batch.id === claim.batch.id) return await deadLetter(claim, first.reason);
    await settle(() => queue.ackExcept(claim, refused));
    for (const { batch, reason } of refused) buried(batch, reason);
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
        log.queueBad(error);
        const pause = sleep(backoffMs(tries, backoff), undefined, { signal: parts.stopping });
        await pause.catch(() => undefined);
      }
    }
  }

  return { deliver, giveUp, lastFailure: () => lastFailure };
}
