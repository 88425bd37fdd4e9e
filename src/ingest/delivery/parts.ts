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
 * - Parts and cut slices carry the ids of all that they were cut from, so that a shard that has the whole knows the
 *   part, and one that has a part does not take the whole.
 */

/** The two halves of a batch: by slices while there are several, then by records. `undefined` when it is one record. */
export function halve(batch: Batch): readonly [Batch, Batch] | undefined {
  return unlessMalformed(() => (batch.slices.length > 1 ? halveSlices(batch) : halveRecords(batch)));
}

function halveSlices(batch: Batch): readonly [Batch, Batch] {
  const middle = Math.ceil(batch.slices.length / 2);
  const slices = [batch.slices.slice(0, middle), batch.slices.slice(middle)] as const;
  const leftBytes = slices[0].reduce((sum, slice) => sum + slice.sizeBytes, 0);
  const payloads = [batch.payload.subarray(0, leftBytes), batch.payload.subarray(leftBytes)] as const;
  const left = count(batch.signal, payloads[0]);
  const right = count(batch.signal, payloads[1]);
  return [
    partOf(batch, { first: 0, ...left, slices: slices[0], payload: payloads[0] }),
    partOf(batch, { first: left.total, ...right, slices: slices[1], payload: payloads[1] }),
  ];
}

function halveRecords(batch: Batch): readonly [Batch, Batch] | undefined {
  const { signal, payload, slices } = batch;
  const { total, uncounted } = count(signal, payload);
  if (total < 2) return undefined;
  const range = (first: number, end: number): Batch => {
    const isInside = (index: number) => index >= first && index < end;
    const bytes = selectRecords(signal, payload, isInside);
    return partOf(batch, {
      first,
      total: end - first,
      uncounted: uncounted.filter(isInside),
      slices: slices.map(slice => ({
        ...derived(slice, `${first}-${end - 1}`, bytes),
        cutFrom: [...(slice.cutFrom ?? []), slice.exportId],
      })),
      payload: bytes,
    });
  };
  const middle = Math.ceil(total / 2);
  return [range(0, middle), range(middle, total)];
}

interface Part extends Count, Pick<Batch, 'slices' | 'payload'> {
  /** Number of its first record in the batch. */
  readonly first: number;
}

function partOf(batch: Batch, { first, total, uncounted, slices, payload }: Part): Batch {
  const origin = originOf(batch.id);
  const from = origin.first + first;
  const id = `${origin.parent}.${from}-${from + total - 1}`;
  const cutFrom = [...(batch.cutFrom ?? []), batch.id];
  return { ...batch, id, cutFrom, slices, payload, records: total - uncounted.length };
}

/** The batch that a part was cut from, and its first record there. */
function originOf(id: string): { parent: string; first: number } {
  const match = /^(.+)\.(\d+)-\d+$/.exec(id);
  return match === null ? { parent: id, first: 0 } : { parent: match[1] as string, first: Number(match[2]) };
}

interface Count {
  /** Records as cutting numbers them. */
  readonly total: number;
  /** Numbers of those that the ledger does not count. */
  readonly uncounted: readonly number[];
}

function count(signal: Signal, request: Buffer): Count {
  const uncounted: number[] = [];
  let total = 0;
  forEachRecord(signal, request, record => {
    total += 1;
    if (record.count === 0) uncounted.push(record.index);
  });
  return { total, uncounted };
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
  const { total, uncounted } = count(batch.signal, payload);
  const slices = pieces.map(piece => piece.slice);
  return { ...batch, id: `${batch.id}.${name}`, records: total - uncounted.length, slices, payload };
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
