import { randomUUID } from 'node:crypto';
import { createIORedisClient, type IRedisClient, type Job } from 'bullmq';
import type { Logger } from 'pino';
import { once } from '../../shared/lifecycle.ts';
import type { Clock } from '../../shared/time.ts';
import { createTurnLog } from '../../shared/turn-log.ts';
import { type Batch, type BatchKey, encodeBatch, restoreBatch } from './batch.ts';
import type { BatchQueue, LaneStats } from './batch-queue.ts';
import { createJobs, type Jobs } from './bullmq-jobs.ts';
import { entryOf, recordCounts, SETTLED_MEMORY_MS } from './ledger.ts';
import { connectRedis, redisFailure } from './redis-connection.ts';
import { ACCEPT_SCRIPT, defineScripts, type LaneKeys, laneKeys, SETTLE_SCRIPT } from './redis-scripts.ts';

export interface BullmqQueueOptions {
  /** `redis://` or `rediss://`. */
  readonly url: string;
  /** Lanes to look after from the start; others are opened when they are first used. */
  readonly shards: readonly string[];
  /** The same in every process of a deployment. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Longest wait for one answer of Redis. Default 500 ms. */
  readonly commandTimeoutMs?: number;
}

const DEFAULT_COMMAND_TIMEOUT_MS = 500;

interface Lane {
  readonly jobs: Jobs;
  readonly keys: LaneKeys;
}

type Settlement =
  | { readonly kind: 'delivered'; readonly reason?: undefined }
  | { readonly kind: 'dead'; readonly reason: string };

interface Held {
  readonly job: Job;
  readonly lockToken: string;
}

/**
 * The queue in Redis, one BullMQ queue per shard. A job is only a reference; the accounts in {@link LaneKeys} say
 * which batches exist. They are changed first, so that a process that dies half-way leaves at most a job without a
 * batch, and such a job is dropped by whoever claims it.
 *
 * Resolves whether Redis is there or not.
 */
export async function createBullmqQueue(options: BullmqQueueOptions): Promise<BatchQueue> {
  const { clock, logger, commandTimeoutMs = DEFAULT_COMMAND_TIMEOUT_MS } = options;
  const connection = connectRedis({ url: options.url, commandTimeoutMs, logger });
  const { client } = connection;
  defineScripts(client);
  const bullClient: IRedisClient = createIORedisClient(client);
  const lanes = new Map<string, Lane>();
  const listeners: ((shard: string) => void)[] = [];
  const turnLog = createTurnLog<unknown>({
    bad: error => logger.error({ err: error }, 'Redis does not store batches'),
    good: () => logger.info('Redis stores batches again'),
  });
  let stopped = false;

  const whenOpen = () => (stopped ? Promise.reject(new Error('the queue is stopped')) : Promise.resolve());

  function laneOf(shard: string): Lane {
    let lane = lanes.get(shard);
    if (lane === undefined) {
      const name = `{otelfan-${shard}}`;
      const onError = (error: Error) => logger.debug({ err: error, shard }, 'BullMQ error');
      lane = {
        jobs: createJobs({ client, name, leaseMs: options.leaseMs, onError }),
        keys: laneKeys(name),
      };
      lanes.set(shard, lane);
    }
    return lane;
  }

  /** All of one shard's batches or none of them; resolves to whether there was a new one. */
  async function store(shard: string, batches: readonly Batch[]): Promise<boolean> {
    const { jobs, keys } = laneOf(shard);
    const transaction = bullClient.multi();
    await jobs.addTo(
      transaction,
      batches.map(batch => batch.id),
    );
    for (const batch of batches) {
      const entry = entryOf(batch);
      transaction.runCommand(ACCEPT_SCRIPT, [
        ...accountKeys(keys, batch.id),
        jobs.jobKey(batch.id),
        batch.id,
        encodeBatch(batch),
        entry.acceptedAtMs,
        JSON.stringify(entry),
        entry.signal,
        entry.records,
        entry.sizeBytes,
      ]);
    }
    const results = (await transaction.exec()) ?? [];
    const failure = results.find(([error]) => error !== null)?.[0];
    if (failure) throw failure;
    return results.slice(-batches.length).some(([, added]) => added === 1);
  }

  async function settle({ shard, id }: BatchKey, held: Held, as: Settlement): Promise<void> {
    const { jobs, keys } = laneOf(shard);
    const nowMs = clock.now();
    const accounts = bullClient.runCommand(SETTLE_SCRIPT, [
      ...accountKeys(keys, id),
      id,
      as.kind,
      nowMs,
      nowMs - SETTLED_MEMORY_MS,
      JSON.stringify(as.reason ?? ''),
    ]);
    // Sent in this order over one connection, so a job never ends before its batch is accounted for.
    await Promise.all([accounts, jobs.finish(held.job, held.lockToken)]);
  }

  for (const shard of options.shards) laneOf(shard);
  await connection.firstAttempt;

  return {
    async enqueue(batches) {
      await whenOpen();
      const reason = connection.reason();
      if (reason !== undefined) return { kind: 'unavailable', reason };
      const perShard = Map.groupBy(batches, batch => batch.shard);
      const outcomes = await Promise.allSettled(
        [...perShard].map(async ([shard, group]) => {
          if (await store(shard, group)) for (const listener of listeners) listener(shard);
        }),
      );
      const failed = outcomes.find(outcome => outcome.status === 'rejected');
      if (failed === undefined) {
        turnLog.good();
        return { kind: 'stored' };
      }
      turnLog.bad(failed.reason);
      // The client believes the server knows a script once it sent it; only a new connection makes it send it again.
      if (/NOSCRIPT/.test(String(failed.reason))) client.disconnect(true);
      return { kind: 'unavailable', reason: connection.reason() ?? redisFailure(failed.reason) };
    },

    async claim(shard) {
      await whenOpen();
      const { jobs, keys } = laneOf(shard);
      for (;;) {
        const lockToken = randomUUID();
        const job = await jobs.take(lockToken);
        if (job?.id === undefined) return undefined;
        const key = { shard, id: job.id };
        const held: Held = { job, lockToken };
        const [isQueued, encoded] = await Promise.all([
          client.hexists(keys.entries, key.id),
          client.getBuffer(keys.payload(key.id)),
        ]);
        if (isQueued === 0) {
          await jobs.finish(job, lockToken);
          continue;
        }
        const restored = restoreBatch(encoded ?? undefined, key);
        if (typeof restored !== 'string') return { batch: restored, token: held };
        logger.error({ shard, batchId: key.id, reason: restored }, 'damaged batch set aside');
        await settle(key, held, { kind: 'dead', reason: restored });
      }
    },

    async ack({ batch, token }) {
      await whenOpen();
      await settle(batch, token as Held, { kind: 'delivered' });
    },

    async release({ batch, token }, delayMs) {
      await whenOpen();
      const { job, lockToken } = token as Held;
      await laneOf(batch.shard).jobs.delay(job, lockToken, delayMs);
    },

    async deadLetter({ batch, token }, reason) {
      await whenOpen();
      await settle(batch, token as Held, { kind: 'dead', reason });
    },

    async stats(shard) {
      await whenOpen();
      const { keys } = laneOf(shard);
      const results = await client
        .multi()
        .hgetall(keys.counters)
        .zcard(keys.ledger)
        .zrange(keys.ledger, '0', '0', 'WITHSCORES')
        .hlen(keys.dead)
        .exec();
      const [counters, batches, oldest, deadBatches] = (results ?? []).map(([error, value]) => {
        if (error !== null) throw error;
        return value;
      }) as [Record<string, string>, number, string[], number];
      const count = (name: string) => Number(counters[name] ?? 0);
      return {
        batches,
        sizeBytes: count('sizeBytes'),
        oldestAcceptedAtMs: oldest[1] === undefined ? undefined : Number(oldest[1]),
        deadBatches,
        accepted: recordCounts(signal => count(`accepted:${signal}`)),
        delivered: recordCounts(signal => count(`delivered:${signal}`)),
        deadLettered: recordCounts(signal => count(`deadLettered:${signal}`)),
      } satisfies LaneStats;
    },

    onEnqueued(listener) {
      listeners.push(listener);
    },

    async unavailableReason() {
      await whenOpen();
      return await connection.probe();
    },

    stop: once(async () => {
      stopped = true;
      await Promise.all([...lanes.values()].map(lane => lane.jobs.close()));
      await connection.stop();
    }),
  };
}

function accountKeys(keys: LaneKeys, id: string): readonly string[] {
  return [keys.payload(id), keys.ledger, keys.entries, keys.counters, keys.settled, keys.dead];
}
