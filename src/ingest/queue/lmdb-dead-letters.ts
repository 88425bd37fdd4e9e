import { type Batch, type BatchKey, restoreBatch } from './batch.ts';
import type { DeadLetter } from './batch-queue.ts';
import { type LedgerEntry, withPurged, withReplayed } from './ledger.ts';
import type { LmdbTables } from './lmdb-tables.ts';

/** What was set aside in the embedded queue. Changes are durable when their promise resolves. */
export interface LmdbDeadLetters {
  /** Oldest first by the time they became dead; from the start when `after` is not a dead letter any more. */
  page(shard: string, page: { readonly after?: string; readonly limit: number }): DeadLetter[];
  /** The batch, or why it cannot be read. */
  read(key: BatchKey): Batch | string | undefined;
  /** Back into its lane; false when there is no such dead letter. */
  replay(key: BatchKey): Promise<boolean>;
  purge(key: BatchKey, atMs: number): Promise<boolean>;
}

export function createLmdbDeadLetters(tables: LmdbTables): LmdbDeadLetters {
  const { lanes, payloads, ledgers, dead, deadByAge, ledgerOf } = tables;

  /** The entry that was taken out; whatever else a change does, it must be in the same transaction. */
  function take({ shard, id }: BatchKey): LedgerEntry | undefined {
    const found = dead.get([shard, id]);
    if (found === undefined) return undefined;
    const { reason: _, deadAtMs, ...entry } = found;
    dead.removeSync([shard, id]);
    deadByAge.removeSync([shard, deadAtMs, id]);
    return entry;
  }

  return {
    page(shard, { after, limit }) {
      const last = after === undefined ? undefined : dead.get([shard, after]);
      const keys = deadByAge.getKeys({
        start: last === undefined || after === undefined ? [shard] : [shard, last.deadAtMs, after],
        exclusiveStart: last !== undefined,
        end: [shard, ''],
        limit,
      });
      return [...keys].flatMap(([, , id]) => {
        const entry = dead.get([shard, id]);
        return entry === undefined ? [] : [{ id, shard, ...entry }];
      });
    },

    read(key) {
      if (!dead.doesExist([key.shard, key.id])) return undefined;
      return restoreBatch(payloads.get([key.shard, key.id]), key);
    },

    replay: key =>
      tables.change(() => {
        const entry = take(key);
        if (entry === undefined) return false;
        lanes.putSync([key.shard, entry.acceptedAtMs, key.id], entry);
        ledgers.putSync(key.shard, withReplayed(ledgerOf(key.shard), entry));
        return true;
      }),

    purge: (key, atMs) =>
      tables.change(() => {
        if (take(key) === undefined) return false;
        payloads.removeSync([key.shard, key.id]);
        tables.remember(key.id, atMs);
        ledgers.putSync(key.shard, withPurged(ledgerOf(key.shard)));
        return true;
      }),
  };
}
