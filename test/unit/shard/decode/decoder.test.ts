import { describe, expect, it } from 'vitest';
import { atOnce, createDecoder } from '../../../../src/shard/decode/decoder.ts';
import type { Records } from '../../../../src/shard/store/tables.ts';
import { NO_POOL } from '../../../../src/shared/buffer-pool.ts';
import { createOtlpTypes } from '../../../../src/shared/otlp/messages.ts';
import type { Signal } from '../../../../src/shared/otlp/signal.ts';
import { createHash } from '../../../../src/shared/topology/hash.ts';
import type { Json } from '../../../support/otlp-arbitraries.ts';
import { attribute, span, spanId, traceId, tracesOf } from '../../../support/otlp-samples.ts';
import { otlpBytes } from '../../../support/test-shard.ts';

const decode = atOnce(
  createDecoder({ types: createOtlpTypes(), hash: await createHash(), buffers: NO_POOL }),
);

function records(signal: Signal, json: Json): Records {
  const decoded = decode(signal, otlpBytes(signal, json));
  if (decoded.kind === 'malformed') throw new Error(decoded.reason);
  return decoded.records;
}

const RESOURCES: readonly (readonly [string, readonly Json[], string, string])[] = [
  ['no resource attributes', [], 'unknown', 'unknown'],
  ['a string', [attribute('service.name', 'shop')], 'shop', 'shop'],
  ['an empty string', [attribute('service.name', '')], '', ''],
  ['a number', [attribute('service.name', 5)], '', 'unknown'],
  ['a number, then a string', [attribute('service.name', 5), attribute('service.name', 'shop')], '', 'shop'],
  [
    'an empty value, then a string',
    [{ key: 'service.name', value: {} }, attribute('service.name', 'b')],
    'b',
    'b',
  ],
  ['no value, then a string', [{ key: 'service.name' }, attribute('service.name', 'b')], 'b', 'b'],
];

describe('the service', () => {
  it.each(RESOURCES)('of %s', (_what, attributes, expected, ofMetrics) => {
    const resource = { attributes };
    const spans = { resourceSpans: [{ resource, scopeSpans: [{ spans: [span({ trace: 1, span: 1 })] }] }] };
    const logs = { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [{}] }] }] };
    const gauge = { dataPoints: [{ asInt: '1' }] };
    const metrics = { resourceMetrics: [{ resource, scopeMetrics: [{ metrics: [{ name: 'm', gauge }] }] }] };
    expect([...records('traces', spans).spans][0]?.service).toBe(expected);
    expect([...records('logs', logs).logs][0]?.service).toBe(expected);
    expect([...records('metrics', metrics).metrics][0]?.service).toBe(ofMetrics);
  });
});

describe('a resource sent in parts', () => {
  const lengthDelimited = (field: number, content: Buffer) =>
    Buffer.concat([Buffer.of((field << 3) | 2, content.length), content]);
  const tracesWith = (...parts: readonly Buffer[]) =>
    lengthDelimited(1, Buffer.concat(parts.map(part => lengthDelimited(1, part))));
  const dropped = Buffer.of(0x10, 0x05);

  it('is refused when a field goes on in the next part, as decoders do', () => {
    expect(decode('traces', tracesWith(dropped, dropped)).kind).toBe('records');
    expect(decode('traces', tracesWith(dropped.subarray(0, 1), dropped.subarray(1))).kind).toBe('malformed');
  });
});

describe('a span', () => {
  const decodeSpan = (members: Json) => {
    const json = {
      resourceSpans: [{ scopeSpans: [{ spans: [{ ...span({ trace: 1, span: 1 }), ...members }] }] }],
    };
    const [record] = records('traces', json).spans;
    if (record === undefined) throw new Error('no span');
    return record;
  };

  it('keeps scalar attributes with their types and leaves the others out', () => {
    const { attributes } = decodeSpan({
      attributes: [
        attribute('s', 'text'),
        attribute('i', -5),
        attribute('d', 1.5),
        attribute('b', true),
        { key: 'list', value: { arrayValue: { values: [{ stringValue: 'x' }] } } },
        { key: 'map', value: { kvlistValue: {} } },
        { key: 'bytes', value: { bytesValue: 'AQ==' } },
        { key: 'empty', value: {} },
      ],
    });
    expect(JSON.parse(attributes)).toEqual({ s: 'text', i: -5, d: 1.5, b: true });
  });

  it('shows the last of a repeated attribute', () => {
    const { attributes } = decodeSpan({ attributes: [attribute('k', 'first'), attribute('k', 'last')] });
    expect(JSON.parse(attributes)).toEqual({ k: 'last' });
  });

  it('shows event attributes of every scalar type', () => {
    const event = { name: 'e', timeUnixNano: '1', attributes: [attribute('b', false), attribute('d', 0.5)] };
    expect(JSON.parse(decodeSpan({ events: [event] }).events ?? '')).toEqual([
      { name: 'e', timestamp: '1970-01-01T00:00:00.000000001Z', attributes: { b: 'false', d: '0.5' } },
    ]);
  });

  it('has an exact duration', () => {
    const startTimeUnixNano = '1700000000123456789';
    const endTimeUnixNano = '1700000000124456789';
    expect(decodeSpan({ startTimeUnixNano, endTimeUnixNano }).durationNs).toBe(1_000_000n);
    expect(
      decodeSpan({ startTimeUnixNano: endTimeUnixNano, endTimeUnixNano: startTimeUnixNano }).durationNs,
    ).toBe(-1_000_000n);
  });

  it.each([
    [0, 'internal'],
    [1, 'internal'],
    [2, 'server'],
    [3, 'client'],
    [4, 'producer'],
    [5, 'consumer'],
    [9, 'internal'],
  ])('of kind %i is called %s', (kind, name) => {
    expect(decodeSpan({ kind }).kind).toBe(name);
  });

  it.each([
    [undefined, 'unset'],
    [{ code: 1 }, 'ok'],
    [{ code: 2, message: 'boom' }, 'error'],
    [{ code: 3 }, 'unset'],
  ])('of status %j is called %s', (status, name) => {
    expect(decodeSpan({ status }).status).toBe(name);
  });

  it('that calls an LLM gives its words to the text index once each', () => {
    const attributes = [
      attribute('gen_ai.system', 'x'),
      attribute('gen_ai.prompt', 'Über-Wort wort'),
      attribute('gen_ai.completion', 'wort 2'),
    ];
    const { spanWords: words } = records('traces', tracesOf('s', [{ trace: 7, span: 1, attributes }]));
    expect(words).toEqual(['über', 'wort', '2'].map(word => ({ word, traceId: BigInt(`0x${traceId(7)}`) })));
  });
});

describe('a log record', () => {
  const decodeLog = (log: Json) => {
    const [record] = records('logs', { resourceLogs: [{ scopeLogs: [{ logRecords: [log] }] }] }).logs;
    if (record === undefined) throw new Error('no log record');
    return record;
  };

  it.each([
    [0, 'unspecified'],
    [1, 'trace'],
    [4, 'trace'],
    [5, 'debug'],
    [9, 'info'],
    [13, 'warn'],
    [20, 'error'],
    [21, 'fatal'],
    [24, 'fatal'],
    [25, 'unspecified'],
  ])('of severity %i is called %s', (severityNumber, severity) => {
    expect(decodeLog({ severityNumber })).toMatchObject({ severity, severityText: severity.toUpperCase() });
  });

  it('keeps its own severity text', () => {
    expect(decodeLog({ severityNumber: 9, severityText: 'Info' }).severityText).toBe('Info');
  });

  it('has no ids that are not of the right size', () => {
    expect(decodeLog({ traceId: '01', spanId: '00'.repeat(8) })).toMatchObject({ traceId: 0n, spanId: 0n });
    const ids = { traceId: traceId(1), spanId: spanId(1) };
    expect(decodeLog(ids)).toMatchObject({
      traceId: BigInt(`0x${ids.traceId}`),
      spanId: BigInt(`0x${ids.spanId}`),
    });
  });

  it('has the same tie as an equal record and another one than a different record', () => {
    const log = { body: { stringValue: 'a' }, timeUnixNano: '1' };
    expect(decodeLog(log).tie).toBe(decodeLog(log).tie);
    expect(decodeLog({ ...log, flags: 1 }).tie).not.toBe(decodeLog(log).tie);
  });
});

describe('the tie of a log record', () => {
  const log = { body: { stringValue: 'a' }, timeUnixNano: '1' };
  const tiesOf = (...resourceLogs: readonly Json[]) =>
    Array.from(records('logs', { resourceLogs }).logs, ({ tie }) => tie);
  const shop = { attributes: [attribute('service.name', 'shop')] };
  const http = { name: 'http' };

  it('does not depend on what the record was sent with', () => {
    const [alone] = tiesOf({ resource: shop, scopeLogs: [{ scope: http, logRecords: [log] }] });
    const others = [{ ...log, timeUnixNano: '2' }, log];
    const ties = tiesOf(
      { resource: {}, scopeLogs: [{ logRecords: [log] }] },
      { resource: shop, scopeLogs: [{ logRecords: [log] }, { scope: http, logRecords: others }] },
    );
    expect(ties.at(-1)).toBe(alone);
    expect(new Set(ties).size).toBe(4);
  });
});

describe('data points', () => {
  it('have a tie each, that of their own and of what they share', () => {
    const tiesOf = (unit: string, values: readonly string[]) => {
      const gauge = { dataPoints: values.map(asInt => ({ asInt })) };
      const metrics = [{ name: 'm', unit, gauge }];
      const decoded = records('metrics', { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
      return Array.from(decoded.metrics, ({ tie }) => tie);
    };
    const [one, two] = tiesOf('1', ['1', '2']);
    expect(two).not.toBe(one);
    expect(tiesOf('1', ['2'])).toEqual([two]);
    expect(tiesOf('By', ['2'])).not.toEqual([two]);
  });
});

describe('bytes that are no OTLP', () => {
  it.each([
    ['cut short', Buffer.from([0x0a, 5, 1])],
    ['text that is not UTF-8', Buffer.from([0x0a, 4, 0x1a, 2, 0xff, 0xfe])],
    [
      'text that is not UTF-8, although another takes its place',
      Buffer.from([0x0a, 6, 0x1a, 1, 0xff, 0x1a, 1, 0x61]),
    ],
  ])('are malformed: %s', (_what, body) => {
    expect(decode('traces', body)).toMatchObject({ kind: 'malformed' });
  });
});
