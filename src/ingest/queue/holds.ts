import { appendFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database } from 'lmdb';
import type { Clock } from '../../shared/time.ts';
import type { BatchKey } from './batch.ts';
import { openLmdbFile } from './lmdb-file.ts';
import type { Member } from './queue-folder.ts';

/** Names one claim; a later claim of the same batch has another. */
export interface HoldToken {
  readonly owner: string;
  readonly claim: number;
}

/**
 * Which batches may not be claimed now, because somebody has them or they were released with a delay. Shared by all
 * processes on the folder: whoever asks first has the batch.
 */
export interface Holds {
  /** Holds a batch for the lease; `undefined` when somebody holds it already. */
  lease(key: BatchKey): Promise<HoldToken | undefined>;
  /** Ends a claim; the batch is free after the delay. Without effect when the claim has passed to somebody else. */
  delay(key: BatchKey, token: HoldToken, delayMs: number): Promise<void>;
  /** The batch is free, or gone. */
  forget(key: BatchKey): Promise<void>;
  close(): Promise<void>;
}

export interface HoldsOptions {
  /** The queue's folder. */
  readonly dir: string;
  readonly self: Member;
  readonly leaseMs: number;
  /** A steady one that all processes on the folder share: a hold must not grow when the time is set. */
  readonly clock: Clock;
}

interface Hold {
  readonly untilMs: number;
  /** Absent when the batch only rests. */
  readonly token?: HoldToken;
}

/** Where holds live below the queue's folder. They need not outlive the last process that has the queue open. */
const HOLDS_FOLDER = 'holds';

const MAP_BYTES = 1024 ** 3;

/** Room for some thousand claims. */
const RESERVED_BYTES = 1024 ** 2;

/**
 * Makes an empty file for holds, for the first process on the folder. Its space is taken from the disk at once: a full
 * disk must not stop deliveries, as only they make room again.
 */
export async function resetHolds(dir: string): Promise<void> {
  const path = join(dir, HOLDS_FOLDER);
  await rm(path, { recursive: true, force: true });
  const { file: empty } = await openFile(dir);
  await empty.close();
  const file = join(path, 'data.mdb');
  const { size } = await stat(file);
  await appendFile(file, Buffer.alloc(Math.max(0, RESERVED_BYTES - size)));
}

async function openFile(dir: string) {
  const file = await openLmdbFile({
    path: join(dir, HOLDS_FOLDER),
    maxDbs: 2,
    mapBytes: MAP_BYTES,
    noSync: true,
  });
  const holds: Database<Hold, [shard: string, id: string]> = file.root.openDB({
    name: 'holds',
    encoding: 'json',
  });
  return { file, holds };
}

/**
 * A claim is not synced to the disk, so it costs microseconds instead of a commit: it must outlive the process that
 * made it, for the others to see, but not a power cut. That is why holds have an LMDB file of their own.
 */
export async function openHolds({ dir, self, leaseMs, clock }: HoldsOptions): Promise<Holds> {
  const { file, holds } = await openFile(dir);
  let claims = 0;

  function isFree(hold: Hold | undefined): boolean {
    if (hold === undefined || hold.untilMs <= clock.now()) return true;
    return hold.token !== undefined && !self.isAlive(hold.token.owner);
  }

  const change = <T>(act: () => T): Promise<T> => file.commit(checked => holds.transactionSync(checked), act);

  return {
    async lease({ shard, id }) {
      file.root.resetReadTxn();
      if (!isFree(holds.get([shard, id]))) return undefined;
      return change(() => {
        if (!isFree(holds.get([shard, id]))) return undefined;
        claims += 1;
        const token = { owner: self.id, claim: claims };
        holds.putSync([shard, id], { untilMs: clock.now() + leaseMs, token });
        return token;
      });
    },

    delay({ shard, id }, token, delayMs) {
      return change(() => {
        const held = holds.get([shard, id])?.token;
        if (held?.owner !== token.owner || held.claim !== token.claim) return;
        holds.putSync([shard, id], { untilMs: clock.now() + delayMs });
      });
    },

    async forget({ shard, id }) {
      await change(() => holds.removeSync([shard, id]));
    },

    close: file.close,
  };
}
