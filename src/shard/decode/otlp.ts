import type protobuf from 'protobufjs';

/**
 * Decoded OTLP messages as protobufjs hands them out, as far as the mapping reads them. Repeated fields are never
 * absent; messages that were not on the wire are `null`; members of a oneof are own properties only when they were;
 * every other scalar then reads as its default.
 */
export interface OtlpMessage {
  readonly $type: protobuf.Type;
}

/** A 64-bit integer of either signedness. */
export interface Long64 {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

export interface AnyValue extends OtlpMessage {
  readonly stringValue: string;
  readonly boolValue: boolean;
  readonly intValue: Long64;
  readonly doubleValue: number;
}

export interface KeyValue extends OtlpMessage {
  readonly key: string;
  readonly value: AnyValue | null;
}

export interface Resource extends OtlpMessage {
  readonly attributes: readonly KeyValue[];
}

export interface Span extends OtlpMessage {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly parentSpanId: Uint8Array;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: Long64;
  readonly endTimeUnixNano: Long64;
  readonly attributes: readonly KeyValue[];
  readonly events: readonly SpanEvent[];
  readonly status: SpanStatus | null;
}

interface SpanStatus extends OtlpMessage {
  readonly message: string;
  readonly code: number;
}

export interface SpanEvent extends OtlpMessage {
  readonly timeUnixNano: Long64;
  readonly name: string;
  readonly attributes: readonly KeyValue[];
  readonly droppedAttributesCount: number;
}

export interface OtlpLogRecord extends OtlpMessage {
  readonly timeUnixNano: Long64;
  readonly observedTimeUnixNano: Long64;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: AnyValue | null;
  readonly attributes: readonly KeyValue[];
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
}

export interface Metric extends OtlpMessage {
  readonly name: string;
  readonly unit: string;
  readonly gauge: MetricPoints | null;
  readonly sum: MetricPoints | null;
  readonly histogram: MetricPoints | null;
  readonly exponentialHistogram: MetricPoints | null;
  readonly summary: MetricPoints | null;
}

interface MetricPoints extends OtlpMessage {
  readonly dataPoints: readonly DataPoint[];
}

/** The union of the five kinds of data point; which members are own properties tells them apart. */
export interface DataPoint extends OtlpMessage {
  readonly timeUnixNano: Long64;
  readonly attributes: readonly KeyValue[];
  readonly asDouble: number;
  readonly asInt: Long64;
  readonly sum: number | null;
}

export function toBigInt({ low, high, unsigned }: Long64): bigint {
  return (BigInt(unsigned ? high >>> 0 : high) << 32n) | BigInt(low >>> 0);
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
