import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LogRow, MetricRow, SpanRow } from '../../../src/shared/read/model.ts';
import type { Json } from '../../support/otlp-arbitraries.ts';
import { logRecordOf, metricOf, sortedAttributes, spanOf } from '../../support/otlp-from-row.ts';
import { attribute, spanId, traceId } from '../../support/otlp-samples.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

/*
 * One request per signal as an instrumented shop would send it, with everything in it that the system whose API we
 * speak drops (contract D15), through the door and back out of the rows.
 */

const START = '1700000000123456789';
const END = '1700000000987654321';

const ARRAY = { arrayValue: { values: [{ stringValue: 'a' }, { intValue: '2' }, {}, { boolValue: false }] } };
const MAP = {
  kvlistValue: {
    values: [
      { key: 'sku', value: { stringValue: 'k-9' } },
      { key: 'sizes', value: { arrayValue: { values: [{ doubleValue: 0.5 }, { doubleValue: 'NaN' }] } } },
    ],
  },
};
const BYTES = { bytesValue: 'AAH/' };
/** Every type of value, the last of them none at all. */
const EVERY_TYPE: Json[] = [
  { key: 'array', value: ARRAY },
  { key: 'bool', value: { boolValue: true } },
  { key: 'bytes', value: BYTES },
  { key: 'double', value: { doubleValue: 2.5 } },
  { key: 'double.whole', value: { doubleValue: 3 } },
  { key: 'int', value: { intValue: '9007199254740993' } },
  { key: 'map', value: MAP },
  { key: 'nothing', value: {} },
  { key: 'string', value: { stringValue: 'text' } },
];
const EVERY_TEXT = {
  bool: 'true',
  double: '2.5',
  'double.whole': '3',
  int: '9007199254740993',
  string: 'text',
};

const RESOURCE = {
  resource: {
    attributes: [
      attribute('service.name', 'shop'),
      attribute('service.version', '1.2.3'),
      { key: 'process.command_args', value: ARRAY },
      attribute('process.pid', 4711),
    ],
    droppedAttributesCount: 1,
    entityRefs: [
      {
        schemaUrl: 'https://opentelemetry.io/schemas/1.38.0',
        type: 'service',
        idKeys: ['service.name'],
        descriptionKeys: ['service.version'],
      },
    ],
  },
  schemaUrl: 'https://opentelemetry.io/schemas/1.38.0',
};
const SCOPE = {
  scope: {
    name: 'checkout-instrumentation',
    version: '0.4.0',
    attributes: [attribute('library.mode', 'auto')],
    droppedAttributesCount: 2,
  },
  schemaUrl: 'https://opentelemetry.io/schemas/1.37.0',
};

const SPAN = {
  traceId: traceId('checkout'),
  spanId: spanId('pay'),
  parentSpanId: spanId('cart'),
  traceState: 'vendor=a:1,other=b',
  name: 'POST /checkout',
  kind: 2,
  startTimeUnixNano: START,
  endTimeUnixNano: END,
  attributes: EVERY_TYPE,
  droppedAttributesCount: 3,
  events: [
    {
      timeUnixNano: '1700000000500000001',
      name: 'exception',
      attributes: EVERY_TYPE,
      droppedAttributesCount: 4,
    },
    { timeUnixNano: '1700000000600000000', name: 'retry', attributes: [attribute('attempt', 2)] },
  ],
  droppedEventsCount: 5,
  links: [
    {
      traceId: traceId('basket'),
      spanId: spanId('added'),
      traceState: 'vendor=c',
      attributes: EVERY_TYPE,
      droppedAttributesCount: 6,
      flags: 769,
    },
  ],
  droppedLinksCount: 7,
  status: { code: 2, message: 'card was declined' },
  flags: 257,
};

const LOG_WITH_STRUCTURE = {
  timeUnixNano: START,
  observedTimeUnixNano: END,
  severityNumber: 18,
  severityText: 'Severe',
  body: MAP,
  attributes: EVERY_TYPE,
  droppedAttributesCount: 8,
  flags: 1,
  traceId: traceId('checkout'),
  spanId: spanId('pay'),
  eventName: 'payment.declined',
};
const LOG_WITHOUT_TIME = { observedTimeUnixNano: '1700000000000000042', body: { intValue: '-7' } };

const EXEMPLARS = [
  {
    timeUnixNano: START,
    asDouble: 0.25,
    traceId: traceId('checkout'),
    spanId: spanId('pay'),
    filteredAttributes: [attribute('user', 'u-1')],
  },
  { timeUnixNano: END, asInt: '-3' },
];
const POINT = { startTimeUnixNano: START, timeUnixNano: END, attributes: EVERY_TYPE, exemplars: EXEMPLARS };

const METRICS: readonly Json[] = [
  {
    name: 'queue.depth',
    description: 'Orders that wait',
    unit: '{order}',
    metadata: [attribute('owner', 'checkout')],
    gauge: { dataPoints: [{ ...POINT, asInt: '9007199254740993', flags: 1 }] },
  },
  {
    name: 'orders',
    description: 'Orders taken',
    unit: '1',
    sum: { dataPoints: [{ ...POINT, asDouble: 17.5 }], aggregationTemporality: 2, isMonotonic: true },
  },
  {
    name: 'latency',
    unit: 'ms',
    histogram: {
      dataPoints: [
        {
          ...POINT,
          count: '18446744073709551615',
          sum: 120.5,
          min: -0.5,
          max: 99.25,
          explicitBounds: [0, 10.5, 100],
          bucketCounts: ['0', '1', '18446744073709551614', '0'],
        },
      ],
      aggregationTemporality: 1,
    },
  },
  {
    name: 'latency.exponential',
    unit: 'ms',
    exponentialHistogram: {
      dataPoints: [
        {
          ...POINT,
          count: '6',
          sum: 8.5,
          min: 0.125,
          max: 4,
          scale: -3,
          zeroCount: '1',
          zeroThreshold: 1e-9,
          positive: { offset: -2, bucketCounts: ['1', '0', '3'] },
          negative: { offset: 5, bucketCounts: ['1'] },
        },
      ],
      aggregationTemporality: 2,
    },
  },
  {
    name: 'latency.summary',
    unit: 'ms',
    summary: {
      dataPoints: [
        {
          startTimeUnixNano: START,
          timeUnixNano: END,
          attributes: EVERY_TYPE,
          count: '3',
          sum: 6.5,
          quantileValues: [
            { quantile: 0.5, value: 2 },
            { quantile: 0.99, value: 'Infinity' },
          ],
          flags: 1,
        },
      ],
    },
  },
];

let shard: TestShard;
beforeAll(async () => {
  shard = await startTestShard();
  const logRecords = [LOG_WITH_STRUCTURE, LOG_WITHOUT_TIME];
  for (const [signal, json] of [
    ['traces', { resourceSpans: [{ ...RESOURCE, scopeSpans: [{ ...SCOPE, spans: [SPAN] }] }] }],
    ['logs', { resourceLogs: [{ ...RESOURCE, scopeLogs: [{ ...SCOPE, logRecords }] }] }],
    ['metrics', { resourceMetrics: [{ ...RESOURCE, scopeMetrics: [{ ...SCOPE, metrics: METRICS }] }] }],
  ] as const) {
    const response = await shard.send(signal, json);
    expect([response.status, await response.text()]).toEqual([200, '']);
  }
  // What is checked comes from the disk, not from what the process remembers.
  await shard.restart();
});
afterAll(() => shard.remove());

async function span(): Promise<SpanRow> {
  const { rows } = await shard.read('trace', { traceId: SPAN.traceId });
  return rows[0] as unknown as SpanRow;
}

async function log(name: 'with structure' | 'without time'): Promise<LogRow> {
  const { rows } = await shard.read('logs', { limit: 10 });
  const traceIdOf = { 'with structure': LOG_WITH_STRUCTURE.traceId, 'without time': null };
  return rows.find(row => row.trace_id === traceIdOf[name]) as unknown as LogRow;
}

async function metric(name: unknown): Promise<MetricRow> {
  const { rows } = await shard.read('metrics', { limit: 10, name: name as string });
  expect(rows).toHaveLength(1);
  return rows[0] as unknown as MetricRow;
}

describe('D15: nothing that OTLP says is lost', () => {
  it('of a span: values of every type, links, trace state, flags, counts, status message', async () => {
    const events = SPAN.events.map(sortedAttributes);
    expect(spanOf(await span())).toEqual({ ...sortedAttributes(SPAN), events });
    expect(await span()).toMatchObject({
      attributes: EVERY_TEXT,
      status: 'error',
      kind: 'server',
      duration_ms: 864.197532,
      otlp: {
        traceState: SPAN.traceState,
        links: SPAN.links,
        flags: SPAN.flags,
        status: SPAN.status,
        droppedAttributesCount: 3,
        droppedEventsCount: 5,
        droppedLinksCount: 7,
      },
    });
  });

  it("of a span's events: attributes of every type", async () => {
    const { events, otlp } = await span();
    expect(events).toEqual([
      { name: 'exception', timestamp: '2023-11-14T22:13:20.500000001Z', attributes: EVERY_TEXT },
      { name: 'retry', timestamp: '2023-11-14T22:13:20.600Z', attributes: { attempt: '2' } },
    ]);
    expect(otlp.events).toEqual(SPAN.events);
  });

  it('of a log record: body structure, event name, flags, severity text', async () => {
    const row = await log('with structure');
    expect(logRecordOf(row)).toEqual(sortedAttributes<Json>(LOG_WITH_STRUCTURE));
    expect(row).toMatchObject({
      severity: 'error',
      severity_text: 'Severe',
      body: '',
      attributes: EVERY_TEXT,
      otlp: { body: MAP, eventName: 'payment.declined', flags: 1, severityNumber: 18 },
    });
  });

  it('of a log record without a time: it is shown at the time it was seen', async () => {
    const row = await log('without time');
    expect(logRecordOf(row)).toEqual(LOG_WITHOUT_TIME);
    expect(row).toMatchObject({
      timestamp: '2023-11-14T22:13:20.000000042Z',
      observed_timestamp: '2023-11-14T22:13:20.000000042Z',
      body: '-7',
    });
  });

  it.each(METRICS.map(({ name }) => name))('of a metric: every member of %s', async name => {
    const sent = METRICS.find(each => each.name === name) as Json;
    const row = await metric(name);
    expect(metricOf(row)).toEqual(sent);
    expect(row.attributes).toEqual(EVERY_TEXT);
  });

  it.each([
    ['queue.depth', 'gauge', 9007199254740992],
    ['orders', 'sum', 17.5],
    ['latency', 'histogram', 120.5],
    ['latency.exponential', 'histogram', 8.5],
    ['latency.summary', 'summary', 6.5],
  ])('and %s is shown as a %s of %d', async (name, type, value) => {
    expect(await metric(name)).toMatchObject({
      metric_type: type,
      value,
      service: 'shop',
      timestamp: '2023-11-14T22:13:20.987654321Z',
    });
  });

  it('of where it comes from: resource and scope, whole, on every row', async () => {
    const rows = [
      await span(),
      await log('with structure'),
      await log('without time'),
      ...(await Promise.all(METRICS.map(({ name }) => metric(name)))),
    ];
    for (const row of rows) {
      expect(row.resource).toEqual(RESOURCE);
      expect(row.scope).toEqual(SCOPE);
    }
  });
});
