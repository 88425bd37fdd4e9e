import { createOtlpTypes } from '../src/shared/otlp/messages.ts';
import { seededRandom } from '../test/support/load.ts';

const ATTRIBUTES = 8;

interface TraceShape {
  readonly spans: number;
  readonly spansPerTrace: number;
  readonly seed: number;
}

/** One trace export in protobuf: eight string attributes a span, ids that depend on the seed only. */
export function tracesRequest({ spans, spansPerTrace, seed }: TraceShape): Buffer {
  const random = seededRandom(seed);
  const id = (bytes: number) =>
    Buffer.from(Array.from({ length: bytes }, () => 1 + Math.floor(random() * 255)));
  const attributes = Array.from({ length: ATTRIBUTES }, (_, index) => ({
    key: `attribute.key.${index}`,
    value: { stringValue: `value number ${index}` },
  }));
  let traceId = id(16);
  const list = Array.from({ length: spans }, (_, index) => {
    if (index % spansPerTrace === 0) traceId = id(16);
    return {
      traceId,
      spanId: id(8),
      parentSpanId: id(8),
      name: 'GET /products/{id}',
      kind: 2,
      startTimeUnixNano: 1_700_000_000_000_000_000n + BigInt(index),
      endTimeUnixNano: 1_700_000_000_004_000_000n + BigInt(index),
      attributes,
      status: {},
    };
  });
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'bench' } }] };
  const type = createOtlpTypes().request('traces');
  const message = type.fromObject({
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'bench' }, spans: list.map(longTimes) }] }],
  });
  return Buffer.from(type.encode(message).finish());
}

function longTimes<T extends { startTimeUnixNano: bigint; endTimeUnixNano: bigint }>(span: T) {
  return {
    ...span,
    startTimeUnixNano: String(span.startTimeUnixNano),
    endTimeUnixNano: String(span.endTimeUnixNano),
  };
}
