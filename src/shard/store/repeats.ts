import type { RecordBatch, SliceRecords } from './record-batch.ts';
import type { Look, SeenIds } from './seen-ids.ts';

/*
 * Which batches, and which slices of them, a commit stores: those that are no repeats, neither whole nor as parts of
 * what was cut on its way (docs/adr/0031).
 */

export interface CommitTime {
  readonly nowMs: number;
  /** Batch ids stored at or before `nowMs - batchMemoryMs` count as new. */
  readonly batchMemoryMs: number;
  /** Export ids stored at or before `nowMs - repeatWindowMs` count as new; 0 remembers none. */
  readonly repeatWindowMs: number;
}

interface Looks {
  readonly batches: Look;
  /** Absent when no export is to be recognised. */
  readonly exports: Look | undefined;
  /** Those that there are. */
  readonly both: readonly Look[];
}

/** What is known of batches and their slices. */
export async function lookUp(
  { batchIds, exportIds }: { readonly batchIds: SeenIds; readonly exportIds: SeenIds },
  batches: readonly RecordBatch[],
  { nowMs, batchMemoryMs, repeatWindowMs }: CommitTime,
): Promise<Looks> {
  const names = batches.flatMap(batch => nameOf(batch) ?? []);
  const ofBatches = await batchIds.look(names, { nowMs, expiredMs: nowMs - batchMemoryMs });
  if (repeatWindowMs === 0) return { batches: ofBatches, exports: undefined, both: [ofBatches] };
  const slices = batches.flatMap(batch => batch.slices).flatMap(slice => exportOf(slice) ?? []);
  const ofExports = await exportIds.look(slices, { nowMs, expiredMs: nowMs - repeatWindowMs });
  return { batches: ofBatches, exports: ofExports, both: [ofBatches, ofExports] };
}

const nameOf = ({ id, cutFrom }: RecordBatch) => (id === undefined ? undefined : { id, cutFrom });

const exportOf = ({ exportId, cutFrom }: SliceRecords) =>
  exportId === undefined ? undefined : { id: exportId, cutFrom };

interface NewRecords {
  readonly fresh: readonly RecordBatch[];
  /** Of those. */
  readonly slices: readonly SliceRecords[];
  readonly partlyStored: ReadonlySet<RecordBatch>;
}

/** What is to be stored; adds its ids. Of batches with equal ids, and of slices of equal exports, that is the first. */
export function newOf(batches: readonly RecordBatch[], { batches: ids, exports }: Looks): NewRecords {
  const fresh: RecordBatch[] = [];
  const slices: SliceRecords[] = [];
  const partlyStored = new Set<RecordBatch>();
  const seenOf = (slice: SliceRecords) => {
    const name = exportOf(slice);
    return name === undefined ? 'nothing' : (exports?.seen(name) ?? 'nothing');
  };
  for (const batch of batches) {
    const name = nameOf(batch);
    const seen = name === undefined ? 'nothing' : ids.seen(name);
    if (seen === 'all') continue;
    if (seen === 'partly' || batch.slices.some(slice => seenOf(slice) === 'partly')) {
      partlyStored.add(batch);
      continue;
    }
    fresh.push(batch);
    if (name !== undefined) ids.add(name);
    for (const slice of batch.slices) {
      if (seenOf(slice) === 'all') continue;
      slices.push(slice);
      const exported = exportOf(slice);
      if (exported !== undefined) exports?.add(exported);
    }
  }
  return { fresh, slices, partlyStored };
}
