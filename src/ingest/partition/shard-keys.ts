import type { Signal } from '../../shared/otlp/signal.ts';
import { LENGTH_DELIMITED, WireReader } from '../../shared/otlp/wire-reader.ts';
import type { Ranges } from './ranges.ts';

/*
 * Where the shard key of each record lies on the wire (opentelemetry-proto 1.11):
 *   Span      { bytes trace_id = 1, bytes span_id = 2 }
 *   LogRecord { bytes trace_id = 9 }, else Resource { repeated KeyValue attributes = 1 } "service.name"
 *   Metric    { string name = 1; gauge = 5, sum = 7, histogram = 9, exponential_histogram = 10, summary = 11,
 *               each { repeated data_points = 1 } }
 */

/** What the partitioner needs to know of one record. */
type RecordKey =
  | {
      readonly kind: 'key';
      readonly bytes: Uint8Array;
      /** Spans, log records or data points: what `partial_success` counts. */
      readonly count: number;
    }
  | { readonly kind: 'rejected'; readonly count: number; readonly reason: string };

/** Reads the key of the record in `[start, end)`; `group` is the envelope with its resource. */
type KeyReader = (
  request: Buffer,
  record: { start: number; end: number },
  group: Readonly<Ranges>,
) => RecordKey;

export const KEY_READERS: Readonly<Record<Signal, KeyReader>> = {
  traces: spanKey,
  logs: logKey,
  metrics: metricKey,
};

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

function spanKey(request: Buffer, { start, end }: { start: number; end: number }): RecordKey {
  let traceId = EMPTY;
  let spanId = EMPTY;
  const reader = new WireReader(request, start, end);
  while (reader.next()) {
    if (reader.wireType !== LENGTH_DELIMITED) continue;
    if (reader.field === 1) traceId = request.subarray(reader.valueStart, reader.fieldEnd);
    else if (reader.field === 2) spanId = request.subarray(reader.valueStart, reader.fieldEnd);
  }
  if (!isId(traceId, TRACE_ID_BYTES)) return rejected('trace_id is not 16 bytes with at least one non-zero');
  if (!isId(spanId, SPAN_ID_BYTES)) return rejected('span_id is not 8 bytes with at least one non-zero');
  return { kind: 'key', bytes: traceId, count: 1 };
}

/** An invalid trace_id means the record belongs to no trace (logs.proto, LogRecord.trace_id). */
function logKey(
  request: Buffer,
  { start, end }: { start: number; end: number },
  group: Readonly<Ranges>,
): RecordKey {
  let traceId = EMPTY;
  const reader = new WireReader(request, start, end);
  while (reader.next()) {
    if (reader.field === 9 && reader.wireType === LENGTH_DELIMITED) {
      traceId = request.subarray(reader.valueStart, reader.fieldEnd);
    }
  }
  const bytes = isId(traceId, TRACE_ID_BYTES) ? traceId : serviceName(request, group);
  return { kind: 'key', bytes, count: 1 };
}

const METRIC_DATA_FIELDS = new Set([5, 7, 9, 10, 11]);

function metricKey(request: Buffer, { start, end }: { start: number; end: number }): RecordKey {
  let name = EMPTY;
  let count = 0;
  const reader = new WireReader(request, start, end);
  while (reader.next()) {
    if (reader.wireType !== LENGTH_DELIMITED) continue;
    if (reader.field === 1) name = request.subarray(reader.valueStart, reader.fieldEnd);
    else if (METRIC_DATA_FIELDS.has(reader.field))
      count += countDataPoints(request, reader.valueStart, reader.fieldEnd);
  }
  return { kind: 'key', bytes: name, count };
}

function countDataPoints(request: Buffer, start: number, end: number): number {
  let count = 0;
  const reader = new WireReader(request, start, end);
  while (reader.next()) if (reader.field === 1 && reader.wireType === LENGTH_DELIMITED) count++;
  return count;
}

const EMPTY: Uint8Array = new Uint8Array(0);
const UNKNOWN_SERVICE = Buffer.from('unknown');
const SERVICE_NAME = Buffer.from('service.name');

/** The first `service.name` that has a value: its string, empty for other types; `unknown` without one (contract §2.2). */
function serviceName(request: Buffer, group: Readonly<Ranges>): Uint8Array {
  for (let i = 0; i < group.length; i += 2) {
    const fields = new WireReader(request, group[i], group[i + 1]);
    while (fields.next()) {
      if (fields.field !== 1 || fields.wireType !== LENGTH_DELIMITED) continue;
      const attributes = new WireReader(request, fields.valueStart, fields.fieldEnd);
      while (attributes.next()) {
        if (attributes.field !== 1 || attributes.wireType !== LENGTH_DELIMITED) continue;
        const value = valueOfServiceName(request, attributes.valueStart, attributes.fieldEnd);
        if (value !== undefined) return value;
      }
    }
  }
  return UNKNOWN_SERVICE;
}

/** `KeyValue { string key = 1; AnyValue value = 2; }`, `AnyValue { string string_value = 1; … }`. */
function valueOfServiceName(request: Buffer, start: number, end: number): Uint8Array | undefined {
  let isServiceName = false;
  let value: Uint8Array | undefined;
  const reader = new WireReader(request, start, end);
  while (reader.next()) {
    if (reader.wireType !== LENGTH_DELIMITED) continue;
    if (reader.field === 1)
      isServiceName = SERVICE_NAME.equals(request.subarray(reader.valueStart, reader.fieldEnd));
    else if (reader.field === 2) value = stringOfAnyValue(request, reader.valueStart, reader.fieldEnd);
  }
  return isServiceName ? value : undefined;
}

function stringOfAnyValue(request: Buffer, start: number, end: number): Uint8Array | undefined {
  let value: Uint8Array | undefined;
  const reader = new WireReader(request, start, end);
  while (reader.next()) {
    const isString = reader.field === 1 && reader.wireType === LENGTH_DELIMITED;
    value = isString ? request.subarray(reader.valueStart, reader.fieldEnd) : EMPTY;
  }
  return value;
}

function isId(bytes: Uint8Array, length: number): boolean {
  return bytes.length === length && bytes.some(byte => byte !== 0);
}

function rejected(reason: string): RecordKey {
  return { kind: 'rejected', count: 1, reason };
}
