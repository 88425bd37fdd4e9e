import { within } from '../../shared/within.ts';
import { PackedList } from './packed/list.ts';
import type { RecordBatch } from './record-batch.ts';
import { rowCount } from './tables.ts';

/* Which of the batches that wait share a commit. */

/**
 * A commit of fewer rows waits for what is being decoded, though not for long: by itself a commit costs as much as some
 * hundred rows. If it waited for more, nothing would be left to be decoded while it runs.
 */
const ENOUGH_ROWS = 4000;
const GATHERING_MS = 20;
/** Rows after which a transaction takes no further batch, so that one commit cannot hold up the rest for seconds. */
const MAX_GROUP_ROWS = 50_000;
/**
 * The same for texts. Those of a commit's records of a kind are copied to DuckDB at once (see `native-texts.ts`), and
 * DuckDB does not count them against its memory limit: it is this much beyond it, or one batch if that is more.
 */
const MAX_GROUP_TEXT_BYTES = 32 * 1024 * 1024;

interface Waiting {
  readonly batch: RecordBatch;
}

/** @param coming settles when what is decoded now is, upon which it waits too; `undefined` when nothing is */
export async function gather(
  waiting: readonly Waiting[],
  coming: () => Promise<void> | undefined,
): Promise<void> {
  const endMs = performance.now() + GATHERING_MS;
  while (rowsOf(waiting) < ENOUGH_ROWS) {
    const next = coming();
    const restMs = endMs - performance.now();
    if (next === undefined || restMs <= 0) return;
    await within(restMs, next);
  }
}

/** Takes those of the next commit out of those that wait, the first one at least. */
export function takeGroup<W extends Waiting>(waiting: W[]): W[] {
  let rows = 0;
  let textBytes = 0;
  const end = waiting.findIndex(one => {
    rows += rowsOf([one]);
    textBytes += textBytesOf(one);
    return rows > MAX_GROUP_ROWS || textBytes > MAX_GROUP_TEXT_BYTES;
  });
  return waiting.splice(0, end === -1 ? waiting.length : Math.max(1, end));
}

function rowsOf(waiting: readonly Waiting[]): number {
  let rows = 0;
  for (const { batch } of waiting) for (const { records } of batch.slices) rows += rowCount(records);
  return rows;
}

function textBytesOf({ batch }: Waiting): number {
  let textBytes = 0;
  for (const { records } of batch.slices) {
    for (const rows of [records.spans, records.logs, records.metrics]) {
      // Those that come over OTLP are packed; what users write is small.
      if (rows instanceof PackedList) textBytes += rows.texts.sizeBytes;
    }
  }
  return textBytes;
}
