import type { Signal } from '../../shared/otlp/signal.ts';
import { LENGTH_DELIMITED } from '../../shared/otlp/wire-reader.ts';
import type { Ranges } from './ranges.ts';
import { serviceName } from './service-name.ts';
import type { Shape, WireWalk } from './wire-walk.ts';

/*
 * Where the shard key of each record lies on the wire (opentelemetry-proto 1.11):
 *   Span      { bytes trace_id = 1, bytes span_id = 2 }
 *   LogRecord { bytes trace_id = 9 }, else Resource { repeated KeyValue attributes = 1 } "service.name"
 *   Metric    { string name = 1; gauge = 5, sum = 7, histogram = 9, exponential_histogram = 10, summary = 11,
 *               each { repeated data_points = 1 } }
 */

/** Checks the records of one request and finds their owners, in one walk over each. */
export interface RecordReader {
  /** Index of the owner of the record in `[start, end)`, or {@link REJECTED}; `group` is the envelope with its resource. */
  read(start: number, end: number, group: Readonly<Ranges>): number;
  /** Spans, log records or data points in the record read last: what `partial_success` counts. */
  readonly count: number;
  /** Why the record read last was rejected. */
  readonly reason: string;
  /** Shard key of the record read last. */
  key(): ShardKey;
}

export interface ShardKey {
  readonly kind: 'trace' | 'service' | 'metric';
  /** Of the request; not to be kept. */
  readonly bytes: Uint8Array;
}

export const REJECTED = -1;

export interface RecordReaderParts {
  readonly request: Buffer;
  readonly walk: WireWalk;
  /** Shape of a record. */
  readonly shape: Shape;
  /** Owner of a shard key. Called with bytes of the request, which it must not keep. */
  readonly shardOf: (key: Uint8Array) => number;
}

/** Where a record lies in `Export*ServiceRequest`: request 0, group 1, scope 2. */
const RECORD_DEPTH = 3;

export function createRecordReader(signal: Signal, parts: RecordReaderParts): RecordReader {
  switch (signal) {
    case 'traces':
      return new SpanReader(parts);
    case 'logs':
      return new LogReader(parts);
    case 'metrics':
      return new MetricReader(parts);
    default:
      return signal satisfies never;
  }
}

const EMPTY: Uint8Array = new Uint8Array(0);
const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/** Spans of one trace often follow one another, and asking for the owner costs more than comparing ids. */
class TraceOwner {
  readonly #request: Buffer;
  readonly #shardOf: (key: Uint8Array) => number;
  #lastStart = -1;
  #lastOwner = 0;

  constructor({ request, shardOf }: RecordReaderParts) {
    this.#request = request;
    this.#shardOf = shardOf;
  }

  key(): ShardKey {
    const bytes = this.#request.subarray(this.#lastStart, this.#lastStart + TRACE_ID_BYTES);
    return { kind: 'trace', bytes };
  }

  of(traceIdStart: number): number {
    if (this.#lastStart < 0 || !this.#isLast(traceIdStart)) {
      this.#lastOwner = this.#shardOf(this.#request.subarray(traceIdStart, traceIdStart + TRACE_ID_BYTES));
      this.#lastStart = traceIdStart;
    }
    return this.#lastOwner;
  }

  #isLast(start: number): boolean {
    const request = this.#request;
    const last = this.#lastStart;
    for (let i = 0; i < TRACE_ID_BYTES; i++) if (request[start + i] !== request[last + i]) return false;
    return true;
  }
}

class SpanReader implements RecordReader {
  readonly count = 1;
  reason = '';
  readonly #parts: RecordReaderParts;
  readonly #owner: TraceOwner;

  constructor(parts: RecordReaderParts) {
    this.#parts = parts;
    this.#owner = new TraceOwner(parts);
  }

  read(start: number, end: number): number {
    const { request, walk, shape } = this.#parts;
    const { reader } = walk;
    let traceId = 0;
    let traceIdBytes = 0;
    let spanId = 0;
    let spanIdBytes = 0;
    for (let at = start; at < end; ) {
      reader.read(at, end);
      at = reader.fieldEnd;
      if (reader.wireType !== LENGTH_DELIMITED) continue;
      if (reader.field === 1) {
        traceId = reader.valueStart;
        traceIdBytes = at - traceId;
      } else if (reader.field === 2) {
        spanId = reader.valueStart;
        spanIdBytes = at - spanId;
      } else walk.content(shape, RECORD_DEPTH);
    }
    if (traceIdBytes !== TRACE_ID_BYTES || isZero(request, traceId, TRACE_ID_BYTES)) {
      this.reason = 'trace_id is not 16 bytes with at least one non-zero';
      return REJECTED;
    }
    if (spanIdBytes !== SPAN_ID_BYTES || isZero(request, spanId, SPAN_ID_BYTES)) {
      this.reason = 'span_id is not 8 bytes with at least one non-zero';
      return REJECTED;
    }
    return this.#owner.of(traceId);
  }

  key(): ShardKey {
    return this.#owner.key();
  }
}

/** An invalid trace_id means the record belongs to no trace (logs.proto, LogRecord.trace_id). */
class LogReader implements RecordReader {
  readonly count = 1;
  readonly reason = '';
  readonly #parts: RecordReaderParts;
  readonly #owner: TraceOwner;
  #isInTrace = false;
  #group: Readonly<Ranges> | undefined;
  #service: Uint8Array = EMPTY;
  #serviceOwner = 0;

  constructor(parts: RecordReaderParts) {
    this.#parts = parts;
    this.#owner = new TraceOwner(parts);
  }

  read(start: number, end: number, group: Readonly<Ranges>): number {
    const { request, walk, shape } = this.#parts;
    const { reader } = walk;
    let traceId = 0;
    let traceIdBytes = 0;
    for (let at = start; at < end; ) {
      reader.read(at, end);
      at = reader.fieldEnd;
      if (reader.wireType !== LENGTH_DELIMITED) continue;
      if (reader.field === 9) {
        traceId = reader.valueStart;
        traceIdBytes = at - traceId;
      } else walk.content(shape, RECORD_DEPTH);
    }
    this.#isInTrace = traceIdBytes === TRACE_ID_BYTES && !isZero(request, traceId, TRACE_ID_BYTES);
    return this.#isInTrace ? this.#owner.of(traceId) : this.#ownerOfService(group);
  }

  key(): ShardKey {
    return this.#isInTrace ? this.#owner.key() : { kind: 'service', bytes: this.#service };
  }

  #ownerOfService(group: Readonly<Ranges>): number {
    if (this.#group !== group) {
      this.#group = group;
      this.#service = serviceName(this.#parts, group);
      this.#serviceOwner = this.#parts.shardOf(this.#service);
    }
    return this.#serviceOwner;
  }
}

class MetricReader implements RecordReader {
  count = 0;
  readonly reason = '';
  readonly #parts: RecordReaderParts;
  #name: Uint8Array = EMPTY;

  constructor(parts: RecordReaderParts) {
    this.#parts = parts;
  }

  read(start: number, end: number): number {
    const { request, walk, shape, shardOf } = this.#parts;
    const { reader } = walk;
    let nameStart = 0;
    let nameEnd = 0;
    this.count = 0;
    for (let at = start; at < end; ) {
      reader.read(at, end);
      at = reader.fieldEnd;
      if (reader.wireType !== LENGTH_DELIMITED) continue;
      const { field, valueStart } = reader;
      if (field === 1) {
        nameStart = valueStart;
        nameEnd = at;
      }
      walk.content(shape, RECORD_DEPTH);
      if (isMetricData(field)) this.#countDataPoints(valueStart, at);
    }
    this.#name = request.subarray(nameStart, nameEnd);
    return shardOf(this.#name);
  }

  key(): ShardKey {
    return { kind: 'metric', bytes: this.#name };
  }

  #countDataPoints(start: number, end: number): void {
    const { reader } = this.#parts.walk;
    for (let at = start; at < end; at = reader.fieldEnd) {
      reader.read(at, end);
      if (reader.field === 1 && reader.wireType === LENGTH_DELIMITED) this.count++;
    }
  }
}

function isMetricData(field: number): boolean {
  return field === 5 || field === 7 || field === 9 || field === 10 || field === 11;
}

function isZero(request: Buffer, start: number, length: number): boolean {
  for (let at = start; at < start + length; at++) if (request[at] !== 0) return false;
  return true;
}
