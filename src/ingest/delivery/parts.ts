import { createHash } from 'node:crypto';
import type { SliceInfo } from '../../shared/otlp/batch-header.ts';
import type { Signal } from '../../shared/otlp/signal.ts';
import { MalformedProtobufError } from '../../shared/otlp/wire-reader.ts';
import { forEachRecord, selectRecords } from '../partition/cut.ts';
import type { Batch } from '../queue/batch.ts';

/*
 * Parts of a batch are batches with derived names, the same whoever cuts: a shard knows a part that it has already,
 * and what a sender repeats in another batch, when that is cut, too.
 *
 * - A part with the records m to n of batch B is `B.m-n`; parts of parts count from the beginning of B as well.
 * - A slice that stays whole keeps its export id. One that is cut gives its parts ids of their own, since a shard
 *   that stored export X for one half would take the other half for a repeat. They are hashes of the slice's id and
 *   the range, and slices are halved by the number of their records, so they do not depend on the batch around them.
 */

/** The two halves of a batch: by slices while there are several, then by records. `undefined` when it is one record. */
export function halve(batch: Batch): readonly [Batch, Batch] | undefined {
  return unlessMalformed(() => (batch.slices.length > 1 ? halveSlices(batch) : halveRecords(batch)));
}

function halveSlices(batch: Batch): readonly [Batch, Batch] {
  const middle = Math.ceil(batch.slices.length / 2);
  const [left, right] = [batch.slices.slice(0, middle), batch.slices.slice(middle)];
  const leftBytes = left.reduce((sum, slice) => sum + slice.sizeBytes, 0);
  return pairOf(batch, [
    { slices: left, payload: batch.payload.subarray(0, leftBytes) },
    { slices: right, payload: batch.payload.subarray(leftBytes) },
  ]);
}

function halveRecords(batch: Batch): readonly [Batch, Batch] | undefined {
  const { signal, payload, slices } = batch;
  const { total } = count(signal, payload);
  const middle = Math.ceil(total / 2);
  const range = (first: number, end: number): Contents => {
    const bytes = selectRecords(signal, payload, index => index >= first && index < end);
    return {
      slices: slices.map(slice => derived(slice, `${first}-${end - 1}`, bytes)),
      payload: bytes,
    };
  };
  return total < 2 ? undefined : pairOf(batch, [range(0, middle), range(middle, total)]);
}

type Contents = Pick<Batch, 'slices' | 'payload'>;

function pairOf(batch: Batch, [left, right]: readonly [Contents, Contents]): readonly [Batch, Batch] {
  const leftCount = count(batch.signal, left.payload);
  const rightCount = count(batch.signal, right.payload);
  const { parent, first } = originOf(batch.id);
  const middle = first + leftCount.total;
  return [
    { ...batch, ...left, id: `${parent}.${first}-${middle - 1}`, records: leftCount.records },
    {
      ...batch,
      ...right,
      id: `${parent}.${middle}-${middle + rightCount.total - 1}`,
      records: rightCount.records,
    },
  ];
}

/** The batch that a part was cut from, and its first record there. */
function originOf(id: string): { parent: string; first: number } {
  const match = /^(.+)\.(\d+)-\d+$/.exec(id);
  return match === null ? { parent: id, first: 0 } : { parent: match[1] as string, first: Number(match[2]) };
}

/** `total` numbers the records as cutting does; `records` is what of them the ledger counts. */
function count(signal: Signal, request: Buffer): { total: number; records: number } {
  const counts = { total: 0, records: 0 };
  forEachRecord(signal, request, record => {
    counts.total += 1;
    counts.records += record.count;
  });
  return counts;
}

export interface Separated {
  /** `undefined` when nothing is left. */
  readonly good: Batch | undefined;
  readonly bad: Batch;
}

/** Takes the records with these numbers out of a batch; there is at least one. `undefined` when it cannot be cut. */
export function separate(batch: Batch, badRecords: ReadonlySet<number>): Separated | undefined {
  return unlessMalformed(() => {
    const good: Pieces = [];
    const bad: Pieces = [];
    let at = 0;
    let first = 0;
    for (const slice of batch.slices) {
      const bytes = batch.payload.subarray(at, at + slice.sizeBytes);
      const { total } = count(batch.signal, bytes);
      const numbers = Array.from({ length: total }, (_, index) => index).filter(index =>
        badRecords.has(first + index),
      );
      if (numbers.length === 0) good.push({ slice, bytes });
      else if (numbers.length === total) bad.push({ slice, bytes });
      else {
        const isBad = new Set(numbers);
        const goodBytes = selectRecords(batch.signal, bytes, index => !isBad.has(index));
        const badBytes = selectRecords(batch.signal, bytes, index => isBad.has(index));
        good.push({ slice: derived(slice, `without ${numbers}`, goodBytes), bytes: goodBytes });
        bad.push({ slice: derived(slice, `only ${numbers}`, badBytes), bytes: badBytes });
      }
      at += slice.sizeBytes;
      first += total;
    }
    return {
      good: good.length === 0 ? undefined : assemble(batch, 'good', good),
      bad: good.length === 0 ? batch : assemble(batch, 'bad', bad),
    };
  });
}

type Pieces = { readonly slice: SliceInfo; readonly bytes: Buffer }[];

function assemble(batch: Batch, name: string, pieces: Pieces): Batch {
  const payload = Buffer.concat(pieces.map(piece => piece.bytes));
  const { records } = count(batch.signal, payload);
  return { ...batch, id: `${batch.id}.${name}`, records, slices: pieces.map(piece => piece.slice), payload };
}

function derived(slice: SliceInfo, part: string, bytes: Buffer): SliceInfo {
  const exportId = createHash('sha256').update(`${slice.exportId} ${part}`).digest('hex').slice(0, 32);
  return { exportId, sizeBytes: bytes.length };
}

/** What is not OTLP cannot be cut. The doors let no such thing in, but a disk may. */
function unlessMalformed<T>(cut: () => T): T | undefined {
  try {
    return cut();
  } catch (error) {
    if (error instanceof MalformedProtobufError) return undefined;
    throw error;
  }
}
