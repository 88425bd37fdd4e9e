import protobuf from 'protobufjs';
import type { Signal } from './signal.ts';

/**
 * The OTLP messages, described once from the field numbers of opentelemetry-proto 1.11
 * (`opentelemetry/proto/{common,resource,trace,logs,metrics}/v1/*.proto`). The JSON door and the shard's decoder
 * both use this table; the ingest router does not decode protobuf at all (see `ingest/partition`).
 *
 * A field is `number: "type name"`, with `[]` after the type for repeated, `*` for a member of the message's oneof
 * and `?` for an explicitly optional scalar. Names are proto3 JSON (lowerCamelCase).
 */
const MESSAGES: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  AnyValue: {
    1: 'string* stringValue',
    2: 'bool* boolValue',
    3: 'int64* intValue',
    4: 'double* doubleValue',
    5: 'ArrayValue* arrayValue',
    6: 'KeyValueList* kvlistValue',
    7: 'bytes* bytesValue',
  },
  ArrayValue: { 1: 'AnyValue[] values' },
  KeyValueList: { 1: 'KeyValue[] values' },
  KeyValue: { 1: 'string key', 2: 'AnyValue value' },
  EntityRef: { 1: 'string schemaUrl', 2: 'string type', 3: 'string[] idKeys', 4: 'string[] descriptionKeys' },
  InstrumentationScope: {
    1: 'string name',
    2: 'string version',
    3: 'KeyValue[] attributes',
    4: 'uint32 droppedAttributesCount',
  },
  Resource: { 1: 'KeyValue[] attributes', 2: 'uint32 droppedAttributesCount', 3: 'EntityRef[] entityRefs' },

  TracesData: { 1: 'ResourceSpans[] resourceSpans' },
  ResourceSpans: { 1: 'Resource resource', 2: 'ScopeSpans[] scopeSpans', 3: 'string schemaUrl' },
  ScopeSpans: { 1: 'InstrumentationScope scope', 2: 'Span[] spans', 3: 'string schemaUrl' },
  Span: {
    1: 'bytes traceId',
    2: 'bytes spanId',
    3: 'string traceState',
    4: 'bytes parentSpanId',
    5: 'string name',
    6: 'int32 kind',
    7: 'fixed64 startTimeUnixNano',
    8: 'fixed64 endTimeUnixNano',
    9: 'KeyValue[] attributes',
    10: 'uint32 droppedAttributesCount',
    11: 'SpanEvent[] events',
    12: 'uint32 droppedEventsCount',
    13: 'SpanLink[] links',
    14: 'uint32 droppedLinksCount',
    15: 'SpanStatus status',
    16: 'fixed32 flags',
  },
  SpanEvent: {
    1: 'fixed64 timeUnixNano',
    2: 'string name',
    3: 'KeyValue[] attributes',
    4: 'uint32 droppedAttributesCount',
  },
  SpanLink: {
    1: 'bytes traceId',
    2: 'bytes spanId',
    3: 'string traceState',
    4: 'KeyValue[] attributes',
    5: 'uint32 droppedAttributesCount',
    6: 'fixed32 flags',
  },
  SpanStatus: { 2: 'string message', 3: 'int32 code' },

  LogsData: { 1: 'ResourceLogs[] resourceLogs' },
  ResourceLogs: { 1: 'Resource resource', 2: 'ScopeLogs[] scopeLogs', 3: 'string schemaUrl' },
  ScopeLogs: { 1: 'InstrumentationScope scope', 2: 'LogRecord[] logRecords', 3: 'string schemaUrl' },
  LogRecord: {
    1: 'fixed64 timeUnixNano',
    2: 'int32 severityNumber',
    3: 'string severityText',
    5: 'AnyValue body',
    6: 'KeyValue[] attributes',
    7: 'uint32 droppedAttributesCount',
    8: 'fixed32 flags',
    9: 'bytes traceId',
    10: 'bytes spanId',
    11: 'fixed64 observedTimeUnixNano',
    12: 'string eventName',
  },

  MetricsData: { 1: 'ResourceMetrics[] resourceMetrics' },
  ResourceMetrics: { 1: 'Resource resource', 2: 'ScopeMetrics[] scopeMetrics', 3: 'string schemaUrl' },
  ScopeMetrics: { 1: 'InstrumentationScope scope', 2: 'Metric[] metrics', 3: 'string schemaUrl' },
  Metric: {
    1: 'string name',
    2: 'string description',
    3: 'string unit',
    5: 'Gauge* gauge',
    7: 'Sum* sum',
    9: 'Histogram* histogram',
    10: 'ExponentialHistogram* exponentialHistogram',
    11: 'Summary* summary',
    12: 'KeyValue[] metadata',
  },
  Gauge: { 1: 'NumberDataPoint[] dataPoints' },
  Sum: { 1: 'NumberDataPoint[] dataPoints', 2: 'int32 aggregationTemporality', 3: 'bool isMonotonic' },
  Histogram: { 1: 'HistogramDataPoint[] dataPoints', 2: 'int32 aggregationTemporality' },
  ExponentialHistogram: {
    1: 'ExponentialHistogramDataPoint[] dataPoints',
    2: 'int32 aggregationTemporality',
  },
  Summary: { 1: 'SummaryDataPoint[] dataPoints' },
  NumberDataPoint: {
    2: 'fixed64 startTimeUnixNano',
    3: 'fixed64 timeUnixNano',
    4: 'double* asDouble',
    5: 'Exemplar[] exemplars',
    6: 'sfixed64* asInt',
    7: 'KeyValue[] attributes',
    8: 'uint32 flags',
  },
  HistogramDataPoint: {
    2: 'fixed64 startTimeUnixNano',
    3: 'fixed64 timeUnixNano',
    4: 'fixed64 count',
    5: 'double? sum',
    6: 'fixed64[] bucketCounts',
    7: 'double[] explicitBounds',
    8: 'Exemplar[] exemplars',
    9: 'KeyValue[] attributes',
    10: 'uint32 flags',
    11: 'double? min',
    12: 'double? max',
  },
  ExponentialHistogramDataPoint: {
    1: 'KeyValue[] attributes',
    2: 'fixed64 startTimeUnixNano',
    3: 'fixed64 timeUnixNano',
    4: 'fixed64 count',
    5: 'double? sum',
    6: 'sint32 scale',
    7: 'fixed64 zeroCount',
    8: 'Buckets positive',
    9: 'Buckets negative',
    10: 'uint32 flags',
    11: 'Exemplar[] exemplars',
    12: 'double? min',
    13: 'double? max',
    14: 'double zeroThreshold',
  },
  Buckets: { 1: 'sint32 offset', 2: 'uint64[] bucketCounts' },
  SummaryDataPoint: {
    2: 'fixed64 startTimeUnixNano',
    3: 'fixed64 timeUnixNano',
    4: 'fixed64 count',
    5: 'double sum',
    6: 'ValueAtQuantile[] quantileValues',
    7: 'KeyValue[] attributes',
    8: 'uint32 flags',
  },
  ValueAtQuantile: { 1: 'double quantile', 2: 'double value' },
  Exemplar: {
    2: 'fixed64 timeUnixNano',
    3: 'double* asDouble',
    4: 'bytes spanId',
    5: 'bytes traceId',
    6: 'sfixed64* asInt',
    7: 'KeyValue[] filteredAttributes',
  },
};

/** `*Data` and `Export*ServiceRequest` have the same one field, so one type serves both. */
const REQUEST_TYPES = { traces: 'TracesData', logs: 'LogsData', metrics: 'MetricsData' } as const;

interface FieldDescription {
  readonly id: number;
  readonly type: string;
  readonly rule?: 'repeated';
  readonly options?: { readonly proto3_optional: true };
}

function describe(fields: Readonly<Record<number, string>>): protobuf.IType {
  const described: Record<string, FieldDescription> = {};
  const oneofs: Record<string, { oneof: string[] }> = {};
  const members: string[] = [];
  for (const [id, text] of Object.entries(fields)) {
    const [typeAndMark = '', name = ''] = text.split(' ');
    const type = typeAndMark.replace(/[[\]*?]/g, '');
    described[name] = {
      id: Number(id),
      type,
      ...(typeAndMark.endsWith('[]') && { rule: 'repeated' as const }),
      ...(typeAndMark.endsWith('?') && { options: { proto3_optional: true as const } }),
    };
    if (typeAndMark.endsWith('*')) members.push(name);
    // protobufjs tracks the presence of an optional scalar by a oneof of its own, as protoc does.
    if (typeAndMark.endsWith('?')) oneofs[`_${name}`] = { oneof: [name] };
  }
  if (members.length > 0) oneofs.oneof = { oneof: members };
  return { fields: described, oneofs };
}

/** The reflected types, compiled on first use by protobufjs. */
export interface OtlpTypes {
  /** The type of a whole `Export*ServiceRequest`. */
  request(signal: Signal): protobuf.Type;
  /** The type of a message that occurs in one, by its name. */
  message(name: string): protobuf.Type;
}

export function createOtlpTypes(): OtlpTypes {
  const nested = Object.fromEntries(
    Object.entries(MESSAGES).map(([name, fields]) => [name, describe(fields)]),
  );
  const root = new protobuf.Root();
  protobuf.Root.fromJSON({ nested }, root);
  root.resolveAll();
  return {
    request: signal => root.lookupType(REQUEST_TYPES[signal]),
    message: name => root.lookupType(name),
  };
}
