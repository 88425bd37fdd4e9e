import { SIGNALS, type Signal } from '../../shared/otlp/signal.ts';
import type { Batch, BatchInfo } from './batch.ts';
import type { LaneStats, RecordCounts } from './batch-queue.ts';

/**
 * How long a settled batch id is remembered so that storing it again adds nothing. Only a caller that was told
 * `unknown` stores an id again, and it answers its own sender long before this.
 */
export const SETTLED_MEMORY_MS = 5 * 60_000;

/** What the accounts need to know of a batch; kept beside the payload, so that a damaged payload can be settled. */
export type LedgerEntry = Pick<BatchInfo, 'signal' | 'records' | 'acceptedAtMs'> & {
  readonly sizeBytes: number;
};

/**
 * The accounts of one lane. Every change below keeps accepted = queued + delivered + dead-lettered + rerouted, where
 * queued is what the batches in the lane hold.
 */
export type Ledger = Omit<LaneStats, 'oldestAcceptedAtMs'>;

export const NO_RECORDS: RecordCounts = { traces: 0, logs: 0, metrics: 0 };

export const EMPTY_LEDGER: Ledger = {
  batches: 0,
  sizeBytes: 0,
  deadBatches: 0,
  accepted: NO_RECORDS,
  delivered: NO_RECORDS,
  deadLettered: NO_RECORDS,
  rerouted: NO_RECORDS,
};

export function entryOf(batch: Batch): LedgerEntry {
  const { signal, records, acceptedAtMs } = batch;
  return { signal, records, acceptedAtMs, sizeBytes: batch.payload.length };
}

export function withAccepted(ledger: Ledger, entry: LedgerEntry): Ledger {
  return { ...withQueued(ledger, entry), accepted: plus(ledger.accepted, entry.signal, entry.records) };
}

/** The batch was delivered but for the parts, each of which became a dead letter. */
export function withDeliveredExcept(
  ledger: Ledger,
  entry: LedgerEntry,
  parts: readonly LedgerEntry[],
): Ledger {
  const { signal } = entry;
  const refused = parts.reduce((sum, part) => sum + part.records, 0);
  return {
    ...withoutQueued(ledger, entry),
    deadBatches: ledger.deadBatches + parts.length,
    delivered: plus(ledger.delivered, signal, entry.records - refused),
    deadLettered: plus(ledger.deadLettered, signal, refused),
  };
}

export function withDeadLettered(ledger: Ledger, entry: LedgerEntry): Ledger {
  return {
    ...withoutQueued(ledger, entry),
    deadBatches: ledger.deadBatches + 1,
    deadLettered: plus(ledger.deadLettered, entry.signal, entry.records),
  };
}

export function withRerouted(ledger: Ledger, entry: LedgerEntry): Ledger {
  return {
    ...withoutQueued(ledger, entry),
    rerouted: plus(ledger.rerouted, entry.signal, entry.records),
  };
}

/** A dead letter went back into its lane. */
export function withReplayed(ledger: Ledger, entry: LedgerEntry): Ledger {
  return {
    ...withQueued(ledger, entry),
    deadBatches: ledger.deadBatches - 1,
    deadLettered: plus(ledger.deadLettered, entry.signal, -entry.records),
  };
}

/** A dead letter was deleted. Its records stay counted as dead-lettered. */
export function withPurged(ledger: Ledger): Ledger {
  return { ...ledger, deadBatches: ledger.deadBatches - 1 };
}

/** Counts from any flat store of numbers, such as a Redis hash; what is absent is 0. */
export function recordCounts(countOf: (signal: Signal) => number): RecordCounts {
  return Object.fromEntries(SIGNALS.map(signal => [signal, countOf(signal)])) as Record<Signal, number>;
}

export function plus(counts: RecordCounts, signal: Signal, records: number): RecordCounts {
  return { ...counts, [signal]: counts[signal] + records };
}

function withQueued(ledger: Ledger, entry: LedgerEntry): Ledger {
  return { ...ledger, batches: ledger.batches + 1, sizeBytes: ledger.sizeBytes + entry.sizeBytes };
}

function withoutQueued(ledger: Ledger, entry: LedgerEntry): Ledger {
  return { ...ledger, batches: ledger.batches - 1, sizeBytes: ledger.sizeBytes - entry.sizeBytes };
}
