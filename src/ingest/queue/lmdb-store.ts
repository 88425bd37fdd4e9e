import { setImmediate } from 'node:timers/promises';
import type { Signal } from '../../shared/otlp/signal.ts';
import { type Batch, type BatchInfo, type BatchKey, encodeBatch } from './batch.ts';
import type { ClaimOrder, LaneAudit, LaneStats, RefusedPart } from './batch-queue.ts';
import {
  EMPTY_LEDGER,
  entryOf,
  type Ledger,
  NO_RECORDS,
  withAccepted,
  withDeadLettered,
  withDeliveredExcept,
  withRerouted,
} from './ledger.ts';
import type { DeadEntry, LaneKey, LmdbTables } from './lmdb-tables.ts';

/** Names a batch in its lane. */
export type BatchPlace = Pick<BatchInfo, 'shard' | 'acceptedAtMs' | 'id'>;

/** The lanes of the embedded queue: every change is one fsync'ed transaction, or did not happen. */
export interface LmdbStore {
  /** Stores the batches that are new; resolves to their shards. */
  add(batches: readonly Batch[]): Promise<ReadonlySet<string>>;
  /** Takes a batch out of its lane; resolves to the shards that got batches by it. */
  settle(place: BatchPlace, as: Settlement): Promise<ReadonlySet<string>>;
  /** The batches of a lane. */
  waiting(shard: string, order: ClaimOrder): Iterable<BatchPlace>;
  /** Whether the batch is in its lane by the last commit of any process. */
  isQueued(place: BatchPlace): boolean;
  payload(key: BatchKey): Buffer | undefined;
  shards(): readonly string[];
  stats(shard: string): LaneStats;
  audit(shard: string): Promise<LaneAudit>;
}

/** What became of a batch. Nothing happens when it is not in its lane any more. */
export type Settlement =
  | { readonly kind: 'delivered'; readonly atMs: number; readonly except: readonly RefusedPart[] }
  | { readonly kind: 'dead'; readonly atMs: number; readonly reason: string }
  | { readonly kind: 'rerouted'; readonly atMs: number; readonly as: readonly Batch[] };

/** An audit lets others work after this many batches: a few milliseconds. */
const COUNTED_PER_TURN = 500;

export function createLmdbStore(tables: LmdbTables): LmdbStore {
  const { lanes, payloads, ledgers, dead, deadByAge, ledgerOf } = tables;
  const scratch = createScratch();

  /** A payload is there as long as its batch or its dead letter. */
  const isKnown = ({ shard, id }: BatchKey) => payloads.doesExist([shard, id]) || tables.isSettled(id);

  function putPayload(batch: Batch): void {
    payloads.putSync([batch.shard, batch.id], encodeBatch(batch, scratch));
  }

  /** Each ledger is read and written once, however many batches its shard gets. */
  function putAll(batches: readonly Batch[]): Set<string> {
    const changed = new Map<string, Ledger>();
    for (const batch of batches) {
      if (isKnown(batch)) continue;
      const entry = entryOf(batch);
      putPayload(batch);
      lanes.putSync(laneKey(batch), entry);
      changed.set(batch.shard, withAccepted(changed.get(batch.shard) ?? ledgerOf(batch.shard), entry));
    }
    for (const [shard, ledger] of changed) ledgers.putSync(shard, ledger);
    return new Set(changed.keys());
  }

  function putDead({ shard, id }: BatchKey, entry: DeadEntry): void {
    dead.putSync([shard, id], entry);
    deadByAge.putSync([shard, entry.deadAtMs, id], true);
  }

  function forget({ shard, id }: BatchKey, atMs: number): void {
    payloads.removeSync([shard, id]);
    tables.remember(id, atMs);
  }

  return {
    add: batches => tables.change(() => putAll(batches)),

    settle(place, as) {
      const { shard } = place;
      return tables.change(() => {
        const entry = lanes.get(laneKey(place));
        if (entry === undefined) return new Set<string>();
        lanes.removeSync(laneKey(place));
        const ledger = ledgerOf(shard);
        switch (as.kind) {
          case 'delivered': {
            const parts = as.except.map(part => ({ ...part, entry: entryOf(part.batch) }));
            for (const { batch, entry: part, reason } of parts) {
              putPayload(batch);
              putDead({ shard, id: batch.id }, { ...part, reason, deadAtMs: as.atMs });
            }
            ledgers.putSync(
              shard,
              withDeliveredExcept(
                ledger,
                entry,
                parts.map(part => part.entry),
              ),
            );
            forget(place, as.atMs);
            return new Set<string>();
          }
          case 'dead':
            putDead(place, { ...entry, reason: as.reason, deadAtMs: as.atMs });
            ledgers.putSync(shard, withDeadLettered(ledger, entry));
            return new Set<string>();
          case 'rerouted':
            ledgers.putSync(shard, withRerouted(ledger, entry));
            forget(place, as.atMs);
            return putAll(as.as);
        }
      });
    },

    waiting: (shard, order) =>
      lanes
        .getKeys(order === 'oldest' ? laneRange(shard) : backwards(laneRange(shard)))
        .map(([, acceptedAtMs, id]) => ({ shard, acceptedAtMs, id })),

    isQueued(place) {
      tables.refresh();
      return lanes.doesExist(laneKey(place));
    },

    payload: ({ shard, id }) => payloads.get([shard, id]),

    shards: () => [...ledgers.getKeys()],

    stats(shard) {
      const [oldest] = lanes.getKeys({ ...laneRange(shard), limit: 1 });
      return { ...ledgerOf(shard), oldestAcceptedAtMs: oldest?.[1] };
    },

    async audit(shard) {
      const transaction = tables.snapshot();
      try {
        const queued: Record<Signal, number> = { ...NO_RECORDS };
        let counted = 0;
        for (const { value } of lanes.getRange({ ...laneRange(shard), transaction })) {
          queued[value.signal] += value.records;
          counted += 1;
          if (counted % COUNTED_PER_TURN === 0) await setImmediate();
        }
        const ledger = ledgers.get(shard, { transaction }) ?? EMPTY_LEDGER;
        const { accepted, delivered, deadLettered, rerouted } = ledger;
        return { queued, accepted, delivered, deadLettered, rerouted };
      } finally {
        transaction.done();
      }
    },
  };
}

const laneKey = ({ shard, acceptedAtMs, id }: BatchPlace): LaneKey => [shard, acceptedAtMs, id];

interface LaneRange {
  readonly start: [shard: string];
  readonly end: [shard: string, after: string];
}

/** A key that ends earlier sorts first, and numbers sort before text. */
function laneRange(shard: string): LaneRange {
  return { start: [shard], end: [shard, ''] };
}

function backwards({ start, end }: LaneRange) {
  return { start: end, end: start, reverse: true };
}

/** A record is copied into the file as it is put, so that the buffer it is made in can serve again. */
function createScratch(): (size: number) => Buffer {
  let buffer = Buffer.alloc(0);
  return size => {
    if (buffer.length < size) buffer = Buffer.allocUnsafe(size);
    return buffer.subarray(0, size);
  };
}
