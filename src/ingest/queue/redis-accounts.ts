import type { Signal } from '../../shared/otlp/signal.ts';
import { type Batch, encodeBatch, encodeBatchHead } from './batch.ts';
import type { DeadLetter, LaneAudit, LaneStats, RefusedPart } from './batch-queue.ts';
import { entryOf, type LedgerEntry, NO_RECORDS, recordCounts, SETTLED_MEMORY_MS } from './ledger.ts';
import type { RedisClient } from './redis-client.ts';
import { accountKeys, laneKeys } from './redis-keys.ts';
import {
  ACCEPT_SCRIPT,
  AUDIT_SCRIPT,
  JOBLESS_SCRIPT,
  PURGE_SCRIPT,
  REPLAY_SCRIPT,
  SETTLE_SCRIPT,
  STATS_SCRIPT,
} from './redis-scripts.ts';
import type { ScriptClient, ScriptTransaction } from './script-client.ts';

/** The accounts of one lane: which batches there are, and what became of the others. */
export interface RedisAccounts {
  /** Adds the batch, whose job is added by the same transaction, unless it is known. The reply is 1 or 0. */
  accept(transaction: ScriptTransaction, batch: Batch, jobKey: string): void;
  /** Ends a batch if it is there; without effect otherwise. */
  settle(id: string, as: Settlement): Promise<unknown>;
  /** The same, as a part of a transaction. */
  settleIn(transaction: ScriptTransaction, id: string, as: Settlement): void;
  /** Turns a dead letter into a batch again, whose job is added by the same transaction. The reply is 1 or 0. */
  replay(transaction: ScriptTransaction, letter: DeadLetter, jobKey: string): void;
  purge(id: string): Promise<boolean>;
  /** The stored form of a batch that is not settled; the form is `undefined` when its payload vanished. */
  find(id: string): Promise<{ readonly encoded: Buffer | undefined } | undefined>;
  deadLetter(id: string): Promise<DeadLetter | undefined>;
  deadLetters(page: { readonly after?: string; readonly limit: number }): Promise<DeadLetter[]>;
  /** Stored form of a dead letter, as far as there is one. */
  deadPayload(id: string): Promise<Buffer | undefined>;
  /** Looks at some of the batches, by acceptance time: how many there were, and which of them have no job. */
  jobless(look: Look): Promise<{ readonly count: number; readonly ids: readonly string[] }>;
  stats(): Promise<LaneStats>;
  audit(): Promise<LaneAudit>;
}

interface Look {
  readonly from: number;
  readonly limit: number;
  readonly jobKeyPrefix: string;
}

export type Settlement =
  | { readonly counter: 'delivered'; readonly parts?: readonly RefusedPart[] }
  | { readonly counter: 'rerouted' }
  | { readonly counter: 'deadLettered'; readonly reason: string };

export interface RedisAccountsOptions {
  readonly shard: string;
  readonly client: RedisClient;
  readonly scripts: ScriptClient;
  readonly clock: { now(): number };
}

/** What the hash of dead letters holds. */
interface StoredLetter {
  readonly entry: LedgerEntry;
  readonly reason: string;
  readonly deadAtMs: number;
}

export function createRedisAccounts({ shard, client, scripts, clock }: RedisAccountsOptions): RedisAccounts {
  const keys = laneKeys(shard);

  function settleCall(id: string, as: Settlement): Parameters<ScriptClient['run']> {
    const parts = (as.counter === 'delivered' && as.parts) || [];
    const nowMs = clock.now();
    return [
      SETTLE_SCRIPT,
      [...accountKeys(keys, id), ...parts.map(({ batch }) => keys.payload(batch.id))],
      [
        id,
        as.counter,
        nowMs,
        nowMs - SETTLED_MEMORY_MS,
        JSON.stringify(as.counter === 'deadLettered' ? as.reason : ''),
        ...parts.flatMap(({ batch, reason }) => [
          batch.id,
          encodeBatch(batch),
          JSON.stringify(entryOf(batch)),
          JSON.stringify(reason),
        ]),
      ],
    ];
  }

  function parseLetter(id: string, stored: string): DeadLetter {
    const { entry, reason, deadAtMs } = JSON.parse(stored) as StoredLetter;
    return { id, shard, ...entry, reason, deadAtMs };
  }

  return {
    accept(transaction, batch, jobKey) {
      const { id, payload, signal, records, acceptedAtMs } = batch;
      const entry = JSON.stringify(entryOf(batch));
      transaction.run(
        ACCEPT_SCRIPT,
        [...accountKeys(keys, id), jobKey],
        [id, acceptedAtMs, entry, signal, records, payload.length, encodeBatchHead(batch), payload],
      );
    },

    settle: (id, as) => scripts.run(...settleCall(id, as)),
    settleIn: (transaction, id, as) => transaction.run(...settleCall(id, as)),

    replay(transaction, { id, signal, records, acceptedAtMs, sizeBytes }, jobKey) {
      const entry = JSON.stringify({ signal, records, acceptedAtMs, sizeBytes } satisfies LedgerEntry);
      transaction.run(
        REPLAY_SCRIPT,
        [...accountKeys(keys, id), jobKey],
        [id, acceptedAtMs, entry, signal, records, sizeBytes],
      );
    },

    async purge(id) {
      return (await scripts.run(PURGE_SCRIPT, accountKeys(keys, id), [id, clock.now()])) === 1;
    },

    async find(id) {
      const [isQueued, encoded] = await Promise.all([
        client.hexists(keys.entries, id),
        client.getBuffer(keys.payload(id)),
      ]);
      return isQueued === 1 ? { encoded: encoded ?? undefined } : undefined;
    },

    async deadLetter(id) {
      const stored = await client.hget(keys.dead, id);
      return stored === null ? undefined : parseLetter(id, stored);
    },

    async deadLetters({ after, limit }) {
      if (limit <= 0) return [];
      const rank = after === undefined ? null : await client.zrank(keys.deadTimes, after);
      const from = rank === null ? 0 : rank + 1;
      const ids = await client.zrange(keys.deadTimes, from, String(from + limit - 1));
      if (ids.length === 0) return [];
      const stored = await client.hmget(keys.dead, ...ids);
      // One that was replayed or purged between the two answers is none any more.
      return ids.flatMap((id, index) => {
        const letter = stored[index];
        return letter ? [parseLetter(id, letter)] : [];
      });
    },

    async deadPayload(id) {
      return (await client.getBuffer(keys.payload(id))) ?? undefined;
    },

    async jobless({ from, limit, jobKeyPrefix }) {
      const reply = await scripts.run(JOBLESS_SCRIPT, [keys.ledger], [from, from + limit - 1, jobKeyPrefix]);
      const [count, ids] = reply as [number, string[]];
      return { count, ids };
    },

    async stats() {
      const reply = await scripts.run(STATS_SCRIPT, [keys.counters, keys.ledger, keys.dead], []);
      const [flat, batches, oldest, deadBatches] = reply as [string[], number, string[], number];
      const counters = countersOf(flat);
      return {
        batches,
        sizeBytes: counters.get('sizeBytes') ?? 0,
        oldestAcceptedAtMs: oldest[1] === undefined ? undefined : Number(oldest[1]),
        deadBatches,
        ...settledCounts(counters),
      };
    },

    async audit() {
      const reply = await scripts.run(AUDIT_SCRIPT, [keys.counters, keys.entries], []);
      const [flat, entries] = reply as [string[], string[]];
      const queued: Record<Signal, number> = { ...NO_RECORDS };
      for (const entry of entries) {
        const { signal, records } = JSON.parse(entry) as LedgerEntry;
        queued[signal] += records;
      }
      return { queued, ...settledCounts(countersOf(flat)) };
    },
  };
}

type Counters = ReadonlyMap<string, number>;

/** From a Redis hash as scripts return it: name, value, name, value… */
function countersOf(flat: readonly string[]): Counters {
  const counters = new Map<string, number>();
  for (let at = 0; at < flat.length; at += 2) counters.set(flat[at] as string, Number(flat[at + 1]));
  return counters;
}

function settledCounts(counters: Counters): Omit<LaneAudit, 'queued'> {
  const counts = (name: string) => recordCounts(signal => counters.get(`${name}:${signal}`) ?? 0);
  return {
    accepted: counts('accepted'),
    delivered: counts('delivered'),
    deadLettered: counts('deadLettered'),
    rerouted: counts('rerouted'),
  };
}
