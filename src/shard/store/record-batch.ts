import type { KeptAnswer } from './kept-answers.ts';
import type { Records } from './tables.ts';

/** What one slice of a batch stores. Without an export id it is never recognised as a sender's repeat. */
export interface SliceRecords {
  readonly exportId: string | undefined;
  /** When it is a part of a slice: the export ids of the slices that it was cut from. */
  readonly cutFrom?: readonly string[] | undefined;
  readonly records: Records;
}

/** A decoded batch. Without an id it is never recognised as a redelivery. */
export interface RecordBatch {
  readonly id: string | undefined;
  /** Of a part: the ids of the batches that it was cut from. */
  readonly cutFrom?: readonly string[] | undefined;
  readonly slices: readonly SliceRecords[];
  /** Kept for as long as the id is remembered. */
  readonly answer?: KeptAnswer | undefined;
}
