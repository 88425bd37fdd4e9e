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
    const selection = new Selection(request);
    const fields = path[depth] as ReadonlySet<number>;
    const reader = new WireReader(request, start, end);
    while (reader.next()) {
      const { field, fieldStart, fieldEnd, valueStart } = reader;
      if (!fields.has(field) || reader.wireType !== LENGTH_DELIMITED) {
        selection.copy(fieldStart, fieldEnd);
      } else if (depth === path.length - 1) {
        if (!keep(index++)) continue;
        selection.copy(fieldStart, fieldEnd);
        selection.hasRecords = true;
      } else {
        const inner = select(valueStart, fieldEnd, depth + 1);
        if (inner.hasRecords) selection.hasRecords = true;
        if (inner.hasRecords || depth === METRIC_DEPTH) selection.message(field, inner);
      }
    }
    if (depth === METRIC_DEPTH && index === first) selection.hasRecords = keep(index++);
    return selection;
  };
  return select(0, request.length, 0).bytes();
}

/** The content of one message, put together from pieces of the request; neighbours that touch are one piece. */
class Selection {
  hasRecords = false;
  readonly #request: Buffer;
  readonly #chunks: Uint8Array[] = [];
  #sizeBytes = 0;
  #from = 0;
  #to = 0;

  constructor(request: Buffer) {
    this.#request = request;
  }

  copy(from: number, to: number): void {
    if (from !== this.#to) {
      this.#endPiece();
      this.#from = from;
    }
    this.#to = to;
  }

  message(field: number, content: Selection): void {
    content.#endPiece();
    this.#add(Uint8Array.from([...varint(field * 8 + LENGTH_DELIMITED), ...varint(content.#sizeBytes)]));
    for (const chunk of content.#chunks) this.#add(chunk);
  }

  bytes(): Buffer {
    this.#endPiece();
    return Buffer.concat(this.#chunks, this.#sizeBytes);
  }

  #add(chunk: Uint8Array): void {
    this.#endPiece();
    this.#push(chunk);
  }

  #endPiece(): void {
    if (this.#to > this.#from) this.#push(this.#request.subarray(this.#from, this.#to));
    this.#from = 0;
    this.#to = 0;
  }

  #push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#sizeBytes += chunk.length;
  }
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return bytes;
}
