import type { OtlpTypes } from '../src/shared/otlp/messages.ts';
import type { Signal } from '../src/shared/otlp/signal.ts';
import { seededRandom } from '../test/support/load.ts';

const ATTRIBUTES = 8;

export interface RequestShape {
  readonly signal: Signal;
  /** Spans, log records or data points. */
  readonly records: number;
  /** Records that follow one another with the same shard key: the spans of a trace, the points of a metric. */
  readonly recordsPerKey: number;
  readonly seed: number;
}

/** One export as the JSON that protobufjs and OTLP/JSON take: eight string attributes a record, ids from the seed only. */
function exportOf(
  { signal, records, recordsPerKey, seed }: RequestShape,
  encodeId: (id: Buffer) => unknown,
): object {
  const random = seededRandom(seed);
  const id = (bytes: number) =>
    encodeId(Buffer.from(Array.from({ length: bytes }, () => 1 + Math.floor(random() * 255))));
  const attributes = Array.from({ length: ATTRIBUTES }, (_, index) => ({
    key: `attribute.key.${index}`,
    value: { stringValue: `value number ${index}` },
  }));
  const nanos = (offset: number) => String(1_700_000_000_000_000_000n + BigInt(offset));
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'bench' } }] };
  const scope = { name: 'bench' };
  let traceId = id(16);
  const nextTraceId = (index: number) => {
    if (index % recordsPerKey === 0) traceId = id(16);
    return traceId;
  };
  const indexes = Array.from({ length: records }, (_, index) => index);
  switch (signal) {
    case 'traces': {
      const spans = indexes.map(index => ({
        traceId: nextTraceId(index),
        spanId: id(8),
        parentSpanId: id(8),
        name: 'GET /products/{id}',
        kind: 2,
        startTimeUnixNano: nanos(index),
        endTimeUnixNano: nanos(index + 4_000_000),
        attributes,
        status: {},
      }));
      return { resourceSpans: [{ resource, scopeSpans: [{ scope, spans }] }] };
    }
    case 'logs': {
      const logRecords = indexes.map(index => ({
        timeUnixNano: nanos(index),
        observedTimeUnixNano: nanos(index),
        severityNumber: 9,
        severityText: 'INFO',
        body: { stringValue: 'the order was taken and will be sent tomorrow' },
        attributes,
        traceId: nextTraceId(index),
        spanId: id(8),
      }));
      return { resourceLogs: [{ resource, scopeLogs: [{ scope, logRecords }] }] };
    }
    case 'metrics': {
      const metrics = indexes
        .filter(index => index % recordsPerKey === 0)
        .map(first => ({
          name: `http.server.requests.${first}`,
          unit: '{request}',
          sum: {
            aggregationTemporality: 2,
            isMonotonic: true,
            dataPoints: indexes.slice(first, first + recordsPerKey).map(index => ({
              startTimeUnixNano: nanos(0),
              timeUnixNano: nanos(index),
              asInt: String(index),
              attributes,
            })),
          },
        }));
      return { resourceMetrics: [{ resource, scopeMetrics: [{ scope, metrics }] }] };
    }
    default:
      return signal satisfies never;
  }
}

export function protobufRequest(types: OtlpTypes, shape: RequestShape): Buffer {
  const type = types.request(shape.signal);
  const message = type.fromObject(exportOf(shape, id => id));
  return Buffer.from(type.encode(message).finish());
}

export function jsonRequest(shape: RequestShape): Buffer {
  return Buffer.from(JSON.stringify(exportOf(shape, id => id.toString('hex'))));
}
