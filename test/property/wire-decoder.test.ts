import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/cli/demo/random.ts';
import { atOnce, createDecoder } from '../../src/shard/decode/decoder.ts';
import type { Records } from '../../src/shard/store/tables.ts';
import { createBufferPool } from '../../src/shared/buffer-pool.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import {
  anyValue,
  type Json,
  otlpLogRecord,
  otlpMetric,
  otlpResource,
  otlpScope,
  otlpSpan,
} from '../support/otlp-arbitraries.ts';
import { DATA_MEMBERS } from '../support/otlp-from-row.ts';
import { decodeByMessages } from '../support/reference-decoder.ts';
import { otlpBytes } from '../support/test-shard.ts';
import { mutateMessage } from '../support/wire-mutations.ts';

const types = createOtlpTypes();
const hash = await createHash();
const decode = atOnce(createDecoder({ types, hash, buffers: createBufferPool(2 ** 20) }));

/** What is found, the memory of the request and that of the requests before having been used anew. */
function wireDecoded(signal: Signal, request: Buffer): unknown {
  const body = Buffer.from(request);
  const decoded = decode(signal, body);
  if (decoded.kind === 'malformed') return 'malformed';
  body.fill(0xee);
  const found = { ...plainRecords(decoded.records), rejections: decoded.rejections };
  decoded.release();
  return found;
}

/** Ten bytes are the most that a varint has; protobufjs skips unknown ones of any length. */
function hasOverlongVarint(signal: Signal, body: Buffer): boolean {
  const decoded = decode(signal, body);
  if (decoded.kind === 'malformed') return decoded.reason.startsWith('varint longer than 10 bytes');
  decoded.release();
  return false;
}

function messageDecoded(signal: Signal, body: Buffer): unknown {
  try {
    const sink = decodeByMessages({ types, hash }, signal, body);
    return { ...plainRecords(sink.records), rejections: sink.rejections() };
  } catch {
    return 'malformed';
  }
}

/** As objects, without ties. */
function plainRecords({ spans, logs, metrics, logWords, ...rest }: Records): object {
  return {
    ...rest,
    spans: [...spans],
    logs: Array.from(logs, log => ({ ...log, tie: 0n })),
    metrics: Array.from(metrics, metric => ({ ...metric, tie: 0n })),
    logWords: new Set(logWords),
  };
}

const plainAttribute = fc
  .tuple(
    fc.constantFrom('http.route', 'http.method', 'server.port', 'a', 'ab', 'ü', 'thread.id'),
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 150 }).map(stringValue => ({ stringValue })),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(value => ({ intValue: value.toString() })),
      fc.integer({ min: -5, max: 300 }).map(intValue => ({ intValue: String(intValue) })),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(doubleValue => ({ doubleValue })),
      fc.boolean().map(boolValue => ({ boolValue })),
      anyValue,
    ),
  )
  .map(([key, value]): Json => ({ key, value }));
/** What exporters send all day, which the other arbitraries hardly ever are. */
const plainAttributes = fc.uniqueArray(plainAttribute, { maxLength: 6, selector: ({ key }) => key });

const withPlainAttributes = (record: fc.Arbitrary<Json>) =>
  fc.oneof(
    record,
    fc.tuple(record, plainAttributes).map(([members, attributes]): Json => ({ ...members, attributes })),
  );

/** With a short text as its body, valid ids and nothing that few exporters send. */
const plainLog = fc
  .record({
    timeUnixNano: fc.constantFrom('0', '1700000000000000000'),
    observedTimeUnixNano: fc.constantFrom('0', '1700000000000000001'),
    severityNumber: fc.integer({ min: -1, max: 25 }),
    severityText: fc.constantFrom('', 'Info'),
    body: fc.string({ unit: 'binary', maxLength: 40 }).map(stringValue => ({ stringValue })),
    traceId: fc.constantFrom('', '0123456789abcdef0123456789abcdef'),
    spanId: fc.constantFrom('', '0123456789abcdef'),
    flags: fc.integer({ min: 0, max: 1 }),
    eventName: fc.constantFrom('', 'exception'),
    attributes: plainAttributes,
  })
  .map((record): Json => record);

/** Without metadata, and with plain attributes. */
const plainMetric = fc.tuple(otlpMetric, plainAttributes).map(([{ metadata: _, ...metric }, attributes]) => {
  const kind = DATA_MEMBERS.find(member => Object.hasOwn(metric, member)) as string;
  const data = metric[kind] as { readonly dataPoints: readonly Json[] };
  return {
    ...metric,
    [kind]: { ...data, dataPoints: data.dataPoints.map(point => ({ ...point, attributes })) },
  };
});

const requests: Readonly<Record<Signal, fc.Arbitrary<Json>>> = {
  traces: fc
    .tuple(otlpResource, otlpScope, fc.array(withPlainAttributes(otlpSpan), { maxLength: 3 }))
    .map(([resource, scope, spans]) => ({
      resourceSpans: [{ ...resource, scopeSpans: [{ ...scope, spans }] }],
    })),
  logs: fc
    .tuple(otlpResource, otlpScope, fc.array(fc.oneof(otlpLogRecord, plainLog), { maxLength: 3 }))
    .map(([resource, scope, logRecords]) => ({
      resourceLogs: [{ ...resource, scopeLogs: [{ ...scope, logRecords }] }],
    })),
  metrics: fc
    .tuple(otlpResource, otlpScope, fc.array(fc.oneof(otlpMetric, plainMetric), { maxLength: 3 }))
    .map(([resource, scope, metrics]) => ({
      resourceMetrics: [{ ...resource, scopeMetrics: [{ ...scope, metrics }] }],
    })),
};

describe.each(['traces', 'logs', 'metrics'] as const)('a request of %s, read off the wire', signal => {
  it('holds what it holds decoded to messages', () => {
    fc.assert(
      fc.property(requests[signal], json => {
        const body = otlpBytes(signal, json);
        expect(wireDecoded(signal, body)).toEqual(messageDecoded(signal, body));
      }),
      { numRuns: 300 },
    );
  });

  it('holds it however it was encoded', () => {
    fc.assert(
      fc.property(requests[signal], fc.integer(), (json, seed) => {
        const body = mutateMessage(types.request(signal), otlpBytes(signal, json), createRandom(seed).next);
        expect(wireDecoded(signal, body)).toEqual(messageDecoded(signal, body));
      }),
      { numRuns: 500 },
    );
  });

  it('is refused when broken, or holds the same', () => {
    fc.assert(
      fc.property(requests[signal], fc.nat(), fc.integer({ min: 0, max: 255 }), (json, position, byte) => {
        const body = otlpBytes(signal, json);
        if (body.length > 0) body[position % body.length] = byte;
        fc.pre(!hasOverlongVarint(signal, body));
        expect(wireDecoded(signal, body)).toEqual(messageDecoded(signal, body));
      }),
      { numRuns: 500 },
    );
  });
});

it('a metric of many data points holds what it holds decoded to messages, wherever one is not plain', () => {
  const plain = (point: number): Json => ({ timeUnixNano: String(point), asInt: String(point) });
  const twice = ['a', 'b'].map(stringValue => ({ key: 'k', value: { stringValue } }));
  const dataPoints = Array.from({ length: 40 }, (_, point) => plain(point));
  for (const odd of [undefined, 0, 15, 16, 39]) {
    const points = dataPoints.map((point, at) => (at === odd ? { ...point, attributes: twice } : point));
    const metrics = ['before', 'm', 'after'].map(name => ({
      name,
      gauge: { dataPoints: name === 'm' ? points : [plain(1)] },
    }));
    const body = otlpBytes('metrics', { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
    expect(wireDecoded('metrics', body)).toEqual(messageDecoded('metrics', body));
  }
});
