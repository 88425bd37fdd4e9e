import { type Database, open } from 'lmdb';
import { type Batch, type BatchKey, encodeBatch } from './batch.ts';
import type { LaneStats } from './batch-queue.ts';
import {
  EMPTY_LEDGER,
  entryOf,
  type Ledger,
  type LedgerEntry,
  SETTLED_MEMORY_MS,
  withAccepted,
  withDeadLettered,
  withDelivered,
} from './ledger.ts';

/** The durable half of the embedded queue: every change is one fsync'ed transaction, or did not happen. */
export interface LmdbStore {
  /** Stores the batches that are new; resolves to their shards. */
  add(batches: readonly Batch[]): Promise<ReadonlySet<string>>;
  /** Takes a batch out of its lane; nothing happens when it is not there any more. */
  settle(key: BatchKey, as: Settlement): Promise<void>;
  /** Ids waiting in a lane, oldest first. */
  waiting(shard: string): Iterable<string>;
  payload(key: BatchKey): Buffer | undefined;
  stats(shard: string): LaneStats;
  close(): Promise<void>;
}

export type Settlement =
  | { readonly kind: 'delivered'; readonly atMs: number }
  | { readonly kind: 'dead'; readonly atMs: number; readonly reason: string };

/** Shard and batch id. Ids are UUIDv7, so one shard's keys sort by age. */
type Key = [shard: string, id: string];

/** Forgotten per settled batch: more than one, so that a backlog of old ids shrinks. */
const FORGET_PER_SETTLE = 4;

export function openLmdbStore(dir: string): LmdbStore {
  const root = open({
    path: dir,
    noSubdir: false,
    maxDbs: 8,
    // A commit then resolves after its fsync. Overlapped, it is visible before, and stays so when the fsync fails.
    overlappingSync: false,
    // Batching by event turn commits through an inner promise whose rejection on a full disk nobody can catch.
    eventTurnBatching: false,
  });
  const lanes: Database<LedgerEntry, Key> = root.openDB({ name: 'lanes', encoding: 'json' });
  const payloads: Database<Buffer, Key> = root.openDB({ name: 'payloads', encoding: 'binary' });
  const ledgers: Database<Ledger, string> = root.openDB({ name: 'ledgers', encoding: 'json' });
  const dead: Database<LedgerEntry & { reason: string; deadAtMs: number }, Key> = root.openDB({
    name: 'dead',
    encoding: 'json',
  });
  const settled: Database<number, string> = root.openDB({ name: 'settled', encoding: 'json' });
  const settledByAge: Database<true, [atMs: number, id: string]> = root.openDB({
    name: 'settled-by-age',
    encoding: 'json',
  });

  const ledgerOf = (shard: string) => ledgers.get(shard) ?? EMPTY_LEDGER;
  const isKnown = ([shard, id]: Key) =>
    lanes.doesExist([shard, id]) || dead.doesExist([shard, id]) || settled.doesExist(id);

  function remember(id: string, atMs: number): void {
    settled.putSync(id, atMs);
    settledByAge.putSync([atMs, id], true);
    const old = settledByAge.getKeys({ end: [atMs - SETTLED_MEMORY_MS, ''], limit: FORGET_PER_SETTLE });
    for (const key of [...old]) {
      settledByAge.removeSync(key);
      settled.removeSync(key[1]);
    }
  }

  return {
    async add(batches) {
      const encoded = batches.map(batch => ({ batch, bytes: encodeBatch(batch) }));
      return await durably(root, () => {
        const shards = new Set<string>();
        for (const { batch, bytes } of encoded) {
          const key: Key = [batch.shard, batch.id];
          if (isKnown(key)) continue;
          const entry = entryOf(batch);
          payloads.putSync(key, bytes);
          lanes.putSync(key, entry);
          ledgers.putSync(batch.shard, withAccepted(ledgerOf(batch.shard), entry));
          shards.add(batch.shard);
        }
        return shards;
      });
    },

    async settle({ shard, id }, as) {
      const key: Key = [shard, id];
      await durably(root, () => {
        const entry = lanes.get(key);
        if (entry === undefined) return;
        lanes.removeSync(key);
        switch (as.kind) {
          case 'delivered':
            payloads.removeSync(key);
            ledgers.putSync(shard, withDelivered(ledgerOf(shard), entry));
            remember(id, as.atMs);
            return;
          case 'dead':
            dead.putSync(key, { ...entry, reason: as.reason, deadAtMs: as.atMs });
            ledgers.putSync(shard, withDeadLettered(ledgerOf(shard), entry));
            return;
        }
      });
    },

    waiting: shard => lanes.getKeys(laneRange(shard)).map(([, id]) => id),
    payload: ({ shard, id }) => payloads.get([shard, id]),

    stats(shard) {
      const [oldest] = lanes.getRange({ ...laneRange(shard), limit: 1 });
      return { ...ledgerOf(shard), oldestAcceptedAtMs: oldest?.value.acceptedAtMs };
    },

    close: () => root.close(),
  };
}

function laneRange(shard: string): { start: Key; end: Key } {
  return { start: [shard, ''], end: [shard, '\uffff'] };
}

/** As a child transaction a change is undone as a whole when it throws, whatever else shares the commit. */
async function durably<T>(root: Database, change: () => T): Promise<T> {
  try {
    return await root.childTransaction(change);
  } catch (error) {
    throw await commitError(error);
  }
}

/** lmdb rejects with a summary whose `commitError` is a promise that rejects with what the disk said. */
async function commitError(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (cause) {
    return new Error(`the disk refused a commit: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}
