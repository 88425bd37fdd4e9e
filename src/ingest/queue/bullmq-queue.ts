import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { once } from '../../shared/lifecycle.ts';
import type { Clock } from '../../shared/time.ts';
import { createTurnLog } from '../../shared/turn-log.ts';
import { type Batch, type BatchKey, restoreBatch } from './batch.ts';
import type { BatchQueue, Claim, EnqueueOutcome } from './batch-queue.ts';
import { createBullmqBackend, createJobs, type Jobs } from './bullmq-jobs.ts';
import { startLaneCare } from './bullmq-lane-care.ts';
import { createRedisAccounts, type RedisAccounts, type Settlement } from './redis-accounts.ts';
import { connectRedis } from './redis-connection.ts';
import type { RedisFailure } from './redis-failure.ts';
import { laneKeys, SHARDS_KEY } from './redis-keys.ts';
import { defineScripts } from './redis-scripts.ts';
import { createScriptClient } from './script-client.ts';

export interface BullmqQueueOptions {
  /** `redis://` or `rediss://`; of any node when it is a cluster. */
  readonly url: string;
  /** Whether it is a Redis Cluster. Default false. */
  readonly cluster?: boolean;
  /** Lanes to look after from the start; others are opened when they are first used. */
  readonly shards: readonly string[];
  /** False in a process that never claims: it leaves looking after lanes to those who do. Default true. */
  readonly claims?: boolean;
  /** The same in every process of a deployment. */
  readonly leaseMs: number;
  /** For which a batch is released at most. Default 5 min. */
  readonly maxDelayMs?: number;
  /** Age from which a waiting batch is backlog. Default 10 s. */
  readonly backlogAgeMs?: number;
  /** Store nothing in a Redis that may lose it, instead of warning. Default false. */
  readonly requireDurable?: boolean;
  /** Payload bytes that may wait for all shards; for a warning when Redis has no room for them. Default 0. */
  readonly maxQueueBytes?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long Redis may owe an answer before its connection counts as dead. Default 500 ms. */
  readonly silenceTimeoutMs?: number;
}

const DEFAULT_BACKLOG_AGE_MS = 10_000;
const DEFAULT_MAX_DELAY_MS = 5 * 60_000;
const DEFAULT_SILENCE_TIMEOUT_MS = 500;

/** A Redis that answers, but may lose what it stores, which was forbidden. The message says how and what to change. */
export class UnsafeRedisError extends Error {
  override readonly name = 'UnsafeRedisError';
}

/** One shard's part of the queue. */
interface Lane {
  readonly shard: string;
  readonly jobs: Jobs;
  readonly accounts: RedisAccounts;
  /** Names the lane's slot in a cluster. */
  readonly key: string;
}

interface Held {
  readonly lockToken: string;
}

/**
 * The queue in Redis, one BullMQ queue per shard. A job is only a reference; the accounts say which batches exist.
 * They are changed first, so that a process that dies half-way leaves at most a job without a batch, and such a job
 * is dropped by whoever claims it.
 *
 * Resolves whether Redis is there or not.
 *
 * @throws UnsafeRedisError with `requireDurable`, when Redis is there.
 */
export async function createBullmqQueue(options: BullmqQueueOptions): Promise<BatchQueue> {
  const { clock, logger, leaseMs, backlogAgeMs = DEFAULT_BACKLOG_AGE_MS } = options;
  const connection = connectRedis({
    url: options.url,
    cluster: options.cluster ?? false,
    silenceTimeoutMs: options.silenceTimeoutMs ?? DEFAULT_SILENCE_TIMEOUT_MS,
    requireDurable: options.requireDurable ?? false,
    maxQueueBytes: options.maxQueueBytes ?? 0,
    logger,
  });
  const { client } = connection;
  const scripts = createScriptClient(client, connection.nodes);
  defineScripts(scripts);
  const backend = createBullmqBackend(scripts, leaseMs);
  const lanes = new Map<string, Lane>();
  /** Shards that Redis was told of over the present connection. */
  const announced = new Set<string>();
  const listeners = new Set<(shard: string) => void>();
  const storing = new Set<Promise<unknown>>();
  const turnLog = createTurnLog<string>({
    bad: reason => logger.error({ reason }, 'Redis does not store batches'),
    good: () => logger.info('Redis stores batches again'),
  });
  let stopped = false;

  function throwIfStopped(): void {
    if (stopped) throw new Error('the queue is stopped');
  }

  function laneOf(shard: string): Lane {
    let lane = lanes.get(shard);
    if (lane === undefined) {
      lane = {
        shard,
        key: laneKeys(shard).ledger,
        jobs: createJobs(backend, shard),
        accounts: createRedisAccounts({ shard, client, scripts, clock }),
      };
      lanes.set(shard, lane);
    }
    return lane;
  }

  /** Not waited for: where it fails, the next batch for the shard tries again. */
  function announce(shard: string): void {
    if (announced.has(shard)) return;
    announced.add(shard);
    client.sadd(SHARDS_KEY, shard).catch(() => announced.delete(shard));
  }

  /** All of one shard's batches or none of them; `undefined` when they are stored. */
  async function store(shard: string, batches: readonly Batch[]): Promise<RedisFailure | undefined> {
    const { jobs, accounts, key } = laneOf(shard);
    const reason = connection.reason(key);
    if (reason !== undefined) return { reason, isRefusal: true, isReadOnly: false };
    announce(shard);
    try {
      const replies = await scripts.transact(async transaction => {
        for (const batch of batches) await jobs.addTo(transaction, batch.id, 'fresh');
        for (const batch of batches) accounts.accept(transaction, batch, jobs.jobKey(batch.id));
      });
      if (replies.slice(-batches.length).includes(1)) for (const listener of listeners) listener(shard);
      return undefined;
    } catch (error) {
      return connection.failed(key, error);
    }
  }

  async function storeAll(batches: readonly Batch[]): Promise<EnqueueOutcome> {
    const groups = Map.groupBy(batches, batch => batch.shard);
    const failures = new Map<string, RedisFailure>();
    await Promise.all(
      [...groups].map(async ([shard, group]) => {
        const failure = await store(shard, group);
        if (failure !== undefined) failures.set(shard, failure);
      }),
    );
    const [first] = [...failures.values()].toSorted((a, b) => Number(a.isRefusal) - Number(b.isRefusal));
    if (first === undefined) {
      turnLog.good();
      return { kind: 'stored' };
    }
    turnLog.bad(first.reason);
    const isRefused = failures.size === groups.size && first.isRefusal;
    if (isRefused) return { kind: 'refused', reason: first.reason };
    return { kind: 'unknown', reason: first.reason, shards: new Set(failures.keys()) };
  }

  function enqueue(batches: readonly Batch[]): Promise<EnqueueOutcome> {
    const outcome = storeAll(batches);
    storing.add(outcome);
    return outcome.finally(() => storing.delete(outcome));
  }

  async function settle({ shard, id }: BatchKey, { lockToken }: Held, as: Settlement): Promise<void> {
    const { jobs, accounts } = laneOf(shard);
    // Sent in this order over one connection, so a job never ends before its batch is accounted for.
    await Promise.all([accounts.settle(id, as), jobs.finish(id, lockToken)]);
  }

  const settleClaim = async ({ batch, token }: Claim, as: Settlement) => {
    throwIfStopped();
    await settle(batch, token as Held, as);
  };

  client.on('ready', () => announced.clear());
  for (const shard of options.shards) laneOf(shard);
  const isReady = () => client.status === 'ready';
  const { maxDelayMs = DEFAULT_MAX_DELAY_MS } = options;
  const care = { lanes, scripts, leaseMs, maxDelayMs, isReady, logger };
  const stopCare = options.claims === false ? () => undefined : startLaneCare(care);
  const stop = once(async () => {
    stopped = true;
    stopCare();
    await Promise.allSettled(storing);
    await connection.stop();
  });
  await connection.firstAttempt;
  const unsafe = connection.unsafeReason();
  if (unsafe !== undefined) {
    await stop();
    throw new UnsafeRedisError(unsafe);
  }

  return {
    async enqueue(batches) {
      throwIfStopped();
      return enqueue(batches);
    },

    async claim(shard, order) {
      throwIfStopped();
      const { jobs, accounts } = laneOf(shard);
      const backlogUntilMs = order === 'newest' ? clock.now() - backlogAgeMs : undefined;
      for (;;) {
        const lockToken = randomUUID();
        const id = await jobs.take(lockToken, backlogUntilMs);
        if (id === undefined) return undefined;
        const found = await accounts.find(id);
        if (found === undefined) {
          await jobs.finish(id, lockToken);
          continue;
        }
        const restored = restoreBatch(found.encoded, { shard, id });
        const held: Held = { lockToken };
        if (typeof restored !== 'string') return { batch: restored, token: held };
        logger.error({ shard, batchId: id, reason: restored }, 'damaged batch set aside');
        await settle({ shard, id }, held, { counter: 'deadLettered', reason: restored });
      }
    },

    ack: claim => settleClaim(claim, { counter: 'delivered' }),
    ackExcept: (claim, parts) => settleClaim(claim, { counter: 'delivered', parts }),
    deadLetter: (claim, reason) => settleClaim(claim, { counter: 'deadLettered', reason }),

    async release({ batch, token }, delayMs) {
      throwIfStopped();
      await laneOf(batch.shard).jobs.delay(batch.id, (token as Held).lockToken, delayMs);
    },

    async reroute(claim, batches) {
      throwIfStopped();
      const outcome = await enqueue(batches);
      if (outcome.kind === 'stored') await settleClaim(claim, { counter: 'rerouted' });
      return outcome;
    },

    async deadLetters(shard, page) {
      throwIfStopped();
      return laneOf(shard).accounts.deadLetters(page);
    },

    async deadLetterBatch(key) {
      throwIfStopped();
      const { accounts } = laneOf(key.shard);
      const [letter, encoded] = await Promise.all([
        accounts.deadLetter(key.id),
        accounts.deadPayload(key.id),
      ]);
      return letter && restoreBatch(encoded, key);
    },

    async replay({ shard, id }) {
      throwIfStopped();
      const { accounts, jobs } = laneOf(shard);
      const letter = await accounts.deadLetter(id);
      if (letter === undefined) return false;
      const isFailed = await jobs.isFailed(id);
      const replies = await scripts.transact(async transaction => {
        // BullMQ adds nothing under the id of a job that failed.
        if (isFailed) jobs.removeFailed(transaction, id);
        await jobs.addTo(transaction, id, 'released');
        accounts.replay(transaction, letter, jobs.jobKey(id));
      });
      return replies.at(-1) === 1;
    },

    async purge({ shard, id }) {
      throwIfStopped();
      return laneOf(shard).accounts.purge(id);
    },

    async shards() {
      throwIfStopped();
      return client.smembers(SHARDS_KEY);
    },

    async stats(shard) {
      throwIfStopped();
      return laneOf(shard).accounts.stats();
    },

    async audit(shard) {
      throwIfStopped();
      return laneOf(shard).accounts.audit();
    },

    onEnqueued(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    async unavailableReason() {
      throwIfStopped();
      return connection.probe();
    },

    standing: connection.standing,

    stop,
  };
}
