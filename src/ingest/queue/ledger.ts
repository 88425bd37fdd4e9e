import { SIGNALS, type Signal } from '../../shared/otlp/signal.ts';
import type { Batch, BatchInfo } from './batch.ts';
import type { LaneStats, RecordCounts } from './batch-queue.ts';

/**
 * How long a settled batch id is remembered so that storing it again adds nothing. Only a caller that was told
 * `unavailable` stores an id again, and it answers its own sender long before this.
 */
export const SETTLED_MEMORY_MS = 5 * 60_000;

/** What the accounts need to know of a batch; kept beside the payload, so that a damaged payload can be settled. */
export type LedgerEntry = Pick<BatchInfo, 'signal' | 'records' | 'acceptedAtMs'> & {
  readonly sizeBytes: number;
};

export type Ledger = Omit<LaneStats, 'oldestAcceptedAtMs'>;

const NO_RECORDS: RecordCounts = { traces: 0, logs: 0, metrics: 0 };

export const EMPTY_LEDGER: Ledger = {
  batches: 0,
  sizeBytes: 0,
  deadBatches: 0,
  accepted: NO_RECORDS,
  delivered: NO_RECORDS,
  deadLettered: NO_RECORDS,
};

export function entryOf(batch: Batch): LedgerEntry {
  const { signal, records, acceptedAtMs } = batch;
  return { signal, records, acceptedAtMs, sizeBytes: batch.payload.length };
}

export function withAccepted(ledger: Ledger, entry: LedgerEntry): Ledger {
  return {
    ...ledger,
    batches: ledger.batches + 1,
    sizeBytes: ledger.sizeBytes + entry.sizeBytes,
    accepted: plus(ledger.accepted, entry),
  };
}

export function withDelivered(ledger: Ledger, entry: LedgerEntry): Ledger {
  return { ...withoutQueued(ledger, entry), delivered: plus(ledger.delivered, entry) };
}

export function withDeadLettered(ledger: Ledger, entry: LedgerEntry): Ledger {
  return {
    ...withoutQueued(ledger, entry),
    deadBatches: ledger.deadBatches + 1,
    deadLettered: plus(ledger.deadLettered, entry),
  };
}

/** Counts from any flat store of numbers, such as a Redis hash; what is absent is 0. */
export function recordCounts(countOf: (signal: Signal) => number): RecordCounts {
  return Object.fromEntries(SIGNALS.map(signal => [signal, countOf(signal)])) as Record<Signal, number>;
}

function withoutQueued(ledger: Ledger, entry: LedgerEntry): Ledger {
  return { ...ledger, batches: ledger.batches - 1, sizeBytes: ledger.sizeBytes - entry.sizeBytes };
}

function plus(counts: RecordCounts, entry: LedgerEntry): RecordCounts {
  return { ...counts, [entry.signal]: counts[entry.signal] + entry.records };
}
