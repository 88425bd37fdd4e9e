import type { Database, Transaction } from 'lmdb';
import { EMPTY_LEDGER, type Ledger, type LedgerEntry, SETTLED_MEMORY_MS } from './ledger.ts';
import { openLmdbFile } from './lmdb-file.ts';

/** By acceptance time, so that the keys of a lane are in the order in which it hands out batches. */
export type LaneKey = [shard: string, acceptedAtMs: number, id: string];

type PayloadKey = [shard: string, id: string];

export interface DeadEntry extends LedgerEntry {
  readonly reason: string;
  readonly deadAtMs: number;
}

/** The tables of the embedded queue. Reads see the last commit; writes happen inside {@link LmdbTables.change}. */
export interface LmdbTables {
  readonly lanes: Database<LedgerEntry, LaneKey>;
  /** Stored forms, of queued batches and of dead letters. */
  readonly payloads: Database<Buffer, PayloadKey>;
  readonly ledgers: Database<Ledger, string>;
  readonly dead: Database<DeadEntry, PayloadKey>;
  readonly deadByAge: Database<true, [shard: string, deadAtMs: number, id: string]>;
  ledgerOf(shard: string): Ledger;
  /** Remembers for a while that an id was settled. */
  remember(id: string, atMs: number): void;
  isSettled(id: string): boolean;
  /** All of a change is durable when this resolves; when it rejects, nothing of it happened. */
  change<T>(change: () => T): Promise<T>;
  /** From here on reads see what any process committed. */
  refresh(): void;
  /** The last commit, held until `done`. */
  snapshot(): Transaction;
  close(): Promise<void>;
}

/** Forgotten per settled batch: more than one, so that a backlog of old ids shrinks. */
const FORGET_PER_SETTLE = 4;

/** Address space, which costs nothing. Some machines have no more than 512 GiB of it. */
const MAP_BYTES = 64 * 1024 ** 3;

/** A file without tables gets them here, which only the first process that has it open may do. */
export async function openLmdbTables(dir: string): Promise<LmdbTables> {
  const file = await openLmdbFile({ path: dir, maxDbs: 16, mapBytes: MAP_BYTES });
  const { root } = file;
  const exit = guardExit();
  const ledgers: LmdbTables['ledgers'] = root.openDB({ name: 'ledgers', encoding: 'json' });
  const settled: Database<number, string> = root.openDB({ name: 'settled', encoding: 'json' });
  const settledByAge: Database<true, [atMs: number, id: string]> = root.openDB({
    name: 'settled-by-age',
    encoding: 'json',
  });

  return {
    lanes: root.openDB({ name: 'lanes', encoding: 'json' }),
    payloads: root.openDB({ name: 'payloads', encoding: 'binary' }),
    ledgers,
    dead: root.openDB({ name: 'dead', encoding: 'json' }),
    deadByAge: root.openDB({ name: 'dead-by-age', encoding: 'json' }),
    ledgerOf: shard => ledgers.get(shard) ?? EMPTY_LEDGER,
    isSettled: id => settled.doesExist(id),

    remember(id, atMs) {
      settled.putSync(id, atMs);
      settledByAge.putSync([atMs, id], true);
      const old = settledByAge.getKeys({ end: [atMs - SETTLED_MEMORY_MS, ''], limit: FORGET_PER_SETTLE });
      for (const key of [...old]) {
        settledByAge.removeSync(key);
        settled.removeSync(key[1]);
      }
    },

    // As a child transaction a change is undone as a whole when it throws, whatever else shares the commit.
    change: change => exit.guard(file.commit(act => root.childTransaction(act), change)),
    refresh: () => root.resetReadTxn(),
    snapshot: () => root.useReadTransaction(),
    close: () => file.close().finally(exit.unguard),
  };
}

/**
 * Lets the process end in the middle of a change. An exit waits for lmdb's thread, which has the lock that every writer
 * of every process needs, and waits for this thread to run the change: both would wait for ever. To end as if killed is
 * as good as any exit here, because nothing was promised yet and the kernel gives the lock back.
 */
function guardExit() {
  let changes = 0;
  const end = () => {
    if (changes > 0) process.kill(process.pid, 'SIGKILL');
  };
  process.on('exit', end);
  return {
    guard<T>(change: Promise<T>): Promise<T> {
      changes += 1;
      return change.finally(() => {
        changes -= 1;
      });
    },
    unguard: () => void process.off('exit', end),
  };
}
