import type { Signal } from '../../shared/otlp/signal.ts';
import { LENGTH_DELIMITED, WireReader } from '../../shared/otlp/wire-reader.ts';

/*
 * Cutting a stored request smaller than its shard owner, down to single records. A record is a span, a log record or
 * a data point; a metric without data points is one of its own, so that nothing falls through a cut. Records are
 * numbered in body order. As in the partitioner nothing is decoded: envelopes and unknown fields are copied.
 */

/** Per signal the fields that lead from the request to its records (opentelemetry-proto 1.11). */
const PATHS: Readonly<Record<Signal, readonly ReadonlySet<number>[]>> = {
  traces: [new Set([1]), new Set([2]), new Set([2])],
  logs: [new Set([1]), new Set([2]), new Set([2])],
  // Metric { gauge = 5, sum = 7, histogram = 9, exponential_histogram = 10, summary = 11 } { data_points = 1 }
  metrics: [new Set([1]), new Set([2]), new Set([2]), new Set([5, 7, 9, 10, 11]), new Set([1])],
};
/** Depth of the fields of a `Metric`. */
const METRIC_DEPTH = 3;

export interface CutRecord {
  /** Number of the record in its request. */
  readonly index: number;
  /** What `partial_success` and the ledger count: 1, or 0 for a metric without data points. */
  readonly count: number;
  /** Content of the record, as a range of the request; empty for a metric without data points. */
  readonly start: number;
  readonly end: number;
  /** Field of the message around it; for a data point it tells the type of its metric. */
  readonly parentField: number;
}

/** Calls back for every record in body order. @throws MalformedProtobufError */
export function forEachRecord(signal: Signal, request: Uint8Array, visit: (record: CutRecord) => void): void {
  const path = PATHS[signal];
  let index = 0;
  const walk = (start: number, end: number, depth: number, parentField: number): void => {
    const first = index;
    const fields = path[depth] as ReadonlySet<number>;
    const reader = new WireReader(request, start, end);
    while (reader.next()) {
      if (!fields.has(reader.field) || reader.wireType !== LENGTH_DELIMITED) continue;
      const { field, valueStart, fieldEnd } = reader;
      if (depth < path.length - 1) walk(valueStart, fieldEnd, depth + 1, field);
      else visit({ index: index++, count: 1, start: valueStart, end: fieldEnd, parentField });
    }
    if (depth === METRIC_DEPTH && index === first) {
      visit({ index: index++, count: 0, start: end, end, parentField });
    }
  };
  walk(0, request.length, 0, 0);
}

/**
 * The request with only the records that `keep` chooses, called with their numbers in order. Envelopes without a
 * record left are dropped; a metric that is kept keeps its data message even without points, as that is its type.
 *
 * @throws MalformedProtobufError
 */
export function selectRecords(signal: Signal, request: Buffer, keep: (index: number) => boolean): Buffer {
  const path = PATHS[signal];
  let index = 0;
  const select = (start: number, end: number, depth: number): Selection => {
    const first = index;
    const selection: Selection = { chunks: [], sizeBytes: 0, hasRecords: false };
    const copy = (from: number, to: number) => add(selection, request.subarray(from, to));
    const fields = path[depth] as ReadonlySet<number>;
    const reader = new WireReader(request, start, end);
    while (reader.next()) {
      const { field, fieldStart, fieldEnd, valueStart } = reader;
      if (!fields.has(field) || reader.wireType !== LENGTH_DELIMITED) {
        copy(fieldStart, fieldEnd);
      } else if (depth === path.length - 1) {
        if (!keep(index++)) continue;
        copy(fieldStart, fieldEnd);
        selection.hasRecords = true;
      } else {
        const inner = select(valueStart, fieldEnd, depth + 1);
        if (inner.hasRecords) selection.hasRecords = true;
        if (inner.hasRecords || depth === METRIC_DEPTH) addMessage(selection, field, inner);
      }
    }
    if (depth === METRIC_DEPTH && index === first) selection.hasRecords = keep(index++);
    return selection;
  };
  const { chunks, sizeBytes } = select(0, request.length, 0);
  return Buffer.concat(chunks, sizeBytes);
}

interface Selection {
  readonly chunks: Uint8Array[];
  sizeBytes: number;
  hasRecords: boolean;
}

function add(to: Selection, chunk: Uint8Array): void {
  to.chunks.push(chunk);
  to.sizeBytes += chunk.length;
}

function addMessage(to: Selection, field: number, inner: Selection): void {
  add(to, Uint8Array.from([...varint(field * 8 + LENGTH_DELIMITED), ...varint(inner.sizeBytes)]));
  for (const chunk of inner.chunks) add(to, chunk);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return bytes;
}
