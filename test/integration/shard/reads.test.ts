import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ShardReadRequest } from '../../../src/shared/read/contract.ts';
import { nanosKey } from '../../../src/shared/read/ndjson.ts';
import {
  attribute,
  logsOf,
  metricsOf,
  type SpanSample,
  spanId,
  traceId,
  tracesOf,
} from '../../support/otlp-samples.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard;
beforeAll(async () => {
  shard = await startTestShard();
  await sendSpans('shop', [
    { trace: 'a', span: 1, start: 100, name: 'GET /cart', attributes: [attribute('http.status', 200)] },
    { trace: 'a', span: 2, start: 100, durationNs: 2_000_001, name: 'SELECT 100%', status: 1 },
    {
      trace: 'b',
      span: 1,
      start: 100,
      status: 2,
      attributes: [attribute('a/~"b', 'x'), attribute('', 'empty')],
    },
    { trace: 'b', span: 3, start: 101, durationNs: -7n, name: 'select' },
  ]);
  await sendSpans('billing', [
    { trace: 'c', span: 1, start: 102, attributes: prompt('Hello, World!', 'Guten Tag') },
    { trace: 'c', span: 2, start: 103, attributes: [attribute('a', '1'), attribute('b', '2')] },
    { trace: 'd', span: 1, start: 99, attributes: prompt('hello', 'there') },
  ]);
  await shard.send('logs', logsOf('shop', LOGS));
  await shard.send('metrics', metricsOf('shop', METRICS));
});
afterAll(() => shard.remove());

async function sendSpans(service: string, spans: readonly SpanSample[]): Promise<void> {
  const response = await shard.send('traces', tracesOf(service, spans));
  expect(await response.arrayBuffer()).toHaveProperty('byteLength', 0);
}

function prompt(question: string, answer: string) {
  return [
    attribute('gen_ai.system', 'test'),
    attribute('gen_ai.prompt', question),
    attribute('gen_ai.completion', answer),
  ];
}

const LOGS = [
  { timeUnixNano: '7', observedTimeUnixNano: '9', body: { stringValue: 'disk at 90%' }, severityNumber: 17 },
  { timeUnixNano: '7', observedTimeUnixNano: '8', body: { stringValue: 'disk full' }, severityNumber: 21 },
  { observedTimeUnixNano: '8', body: { intValue: '42' }, traceId: traceId('a'), spanId: spanId(1) },
  { timeUnixNano: '7', observedTimeUnixNano: '9', body: { stringValue: 'Disk' }, traceId: '00'.repeat(16) },
  { timeUnixNano: '7', observedTimeUnixNano: '9', body: { stringValue: 'Disk' }, traceId: '00'.repeat(16) },
];

const METRICS = [
  {
    name: 'cpu',
    unit: '1',
    gauge: {
      dataPoints: [
        { timeUnixNano: '5', asDouble: 0.1 },
        { timeUnixNano: '6', asDouble: 'NaN' },
      ],
    },
  },
  {
    name: 'hits',
    sum: { dataPoints: [{ timeUnixNano: '6', asInt: '9007199254740993' }], isMonotonic: true },
  },
  {
    name: 'load',
    histogram: { dataPoints: [{ timeUnixNano: '4', count: '2', sum: 3.5, bucketCounts: ['2'] }] },
  },
  { name: 'void', summary: { dataPoints: [{ timeUnixNano: '3', sum: '-Infinity' }] } },
];

/** The spans as trace/span names, in the order they came. */
async function spans(request: Partial<ShardReadRequest<'spans'>>): Promise<string[]> {
  const { rows } = await shard.read('spans', { limit: 100, ...request });
  return rows.map(row => `${nameOf(row.trace_id)}${nameOf(row.span_id)}`);
}

function nameOf(id: unknown): string {
  return Buffer.from(String(id), 'hex').toString().replaceAll('\0', '');
}

describe('spans', () => {
  it('come newest first, ties by trace id and then span id, all descending', async () => {
    expect(await spans({})).toEqual(['c2', 'c1', 'b3', 'b1', 'a2', 'a1', 'd1']);
  });

  it('carry the key they are ordered by', async () => {
    const { keys } = await shard.read('spans', { limit: 1 });
    expect(keys).toEqual([[nanosKey(103n), traceId('c'), spanId(2)]]);
  });

  it.each<[string, Partial<ShardReadRequest<'spans'>>, string[]]>([
    ['a service', { service: 'billing' }, ['c2', 'c1', 'd1']],
    ['a part of the operation, by case', { operation: 'SELECT' }, ['a2']],
    ['a percent sign in the operation', { operation: '0%' }, ['a2']],
    ['an underscore, which is no wildcard', { operation: 'o_' }, []],
    ['a least duration', { minDurationNs: '2000001' }, ['a2']],
    ['a greatest duration', { maxDurationNs: '-7' }, ['b3']],
    ['a least duration beyond what is stored', { minDurationNs: '9'.repeat(39) }, []],
    ['a greatest duration beyond what is stored', { maxDurationNs: `-${'9'.repeat(39)}` }, []],
    ['durations up to more than is stored', { minDurationNs: '2', maxDurationNs: '9'.repeat(39) }, ['a2']],
    ['a status', { status: 'error' }, ['b1']],
    ['a start, itself included', { fromNs: '102' }, ['c2', 'c1']],
    ['a start in the far future', { fromNs: '9'.repeat(20) }, []],
    ['a number as text', { attributes: [['http.status', '200']] }, ['a1']],
    ['an attribute key', { attributeKeys: ['http.status'] }, ['a1']],
    ['attribute keys with special characters', { attributeKeys: ['a/~"b', ''] }, ['b1']],
    ['an attribute key that only starts alike', { attributeKeys: ['http'] }, []],
    ['an attribute key with special characters', { attributes: [['a/~"b', 'x']] }, ['b1']],
    ['an empty attribute key', { attributes: [['', 'empty']] }, ['b1']],
    [
      'two attributes',
      {
        attributes: [
          ['a', '1'],
          ['b', '2'],
        ],
      },
      ['c2'],
    ],
    [
      'two attributes of which one differs',
      {
        attributes: [
          ['a', '1'],
          ['b', '1'],
        ],
      },
      [],
    ],
    ['a word, in all spans of its trace', { text: 'WORLD' }, ['c2', 'c1']],
    ['words of prompt and completion', { text: 'hello tag' }, ['c2', 'c1']],
    ['words that no trace has all of', { text: 'world there' }, []],
    ['a word that is given twice', { text: 'world world' }, ['c2', 'c1']],
    ['no words, which match nothing', { text: '' }, []],
    ['as many words as a URL holds', { text: Array.from({ length: 2500 }, (_, i) => `w${i}`).join(' ') }, []],
    ['several filters at once', { service: 'shop', fromNs: '100', status: 'unset' }, ['b3', 'a1']],
  ])('are found by %s', async (_what, request, expected) => {
    expect(await spans(request)).toEqual(expected);
  });

  it('are found by the texts that they show for attributes of any type', async () => {
    const other = await startTestShard();
    const values = [
      ...[1.5, 1e21, 1e-7, -0, 0.1, 5, 1e16, 123456789.125, 5e-324].map(doubleValue => ({ doubleValue })),
      ...['NaN', 'Infinity', '-Infinity'].map(doubleValue => ({ doubleValue })),
      ...['0', '-1', '9007199254740993', '-9223372036854775808'].map(intValue => ({ intValue })),
      ...['', 'x"y\\', '😀', '\u0000', '1', 'true', '1.5'].map(stringValue => ({ stringValue })),
      { boolValue: true },
    ];
    const attributes = values.map((value, index) => ({ key: `k${index}`, value }));
    await other.send('traces', tracesOf('shop', [{ trace: 'a', span: 1, attributes }]));
    const [row] = (await other.read('spans', { limit: 1 })).rows;
    const shown = Object.entries(row?.attributes as Record<string, string>);
    expect(shown).toHaveLength(values.length);
    for (const [key, text] of shown) {
      const found = await other.read('spans', { limit: 1, attributes: [[key, text]], attributeKeys: [key] });
      expect([key, text, found.rows.length]).toEqual([key, text, 1]);
    }
    await other.remove();
  });

  it('are not more than the limit', async () => {
    expect(await spans({ limit: 2 })).toEqual(['c2', 'c1']);
    expect(await spans({ limit: 4_294_967_295 })).toHaveLength(7);
  });

  it('are none with a limit of 0', async () => {
    const { rows, trailer } = await shard.read('spans', { limit: 0 });
    expect(rows).toEqual([]);
    expect(trailer.rows).toBe(0);
  });

  it('D14: show durations of nanoseconds exactly, and are found by them to the nanosecond', async () => {
    const { rows } = await shard.read('spans', { limit: 10, minDurationNs: '2000000' });
    expect(rows[0]?.duration_ms).toBe(2.000001);
    expect(await spans({ minDurationNs: '2000001', maxDurationNs: '2000001' })).toEqual(['a2']);
    expect(await spans({ minDurationNs: '2000002' })).toEqual([]);
    expect(await spans({ minDurationNs: '2', maxDurationNs: '2000000' })).toEqual([]);
  });
});

describe('a trace', () => {
  it('comes oldest first, ties by span id ascending', async () => {
    const { rows, keys } = await shard.read('trace', { traceId: traceId('a') });
    expect(rows.map(row => row.span_id)).toEqual([spanId(1), spanId(2)]);
    expect(keys[0]).toEqual([nanosKey(100n), spanId(1)]);
  });

  it('gives the one span that is named', async () => {
    const of = async (spanId: string) =>
      (await shard.read('trace', { traceId: traceId('a'), spanId })).rows.map(row => row.span_id);
    expect(await of(spanId(2))).toEqual([spanId(2)]);
    expect(await of(spanId(3))).toEqual([]);
  });

  it('that is not there has no rows', async () => {
    expect((await shard.read('trace', { traceId: 'ff' })).rows).toEqual([]);
  });
});

describe('logs', () => {
  const bodies = async (request: Partial<ShardReadRequest<'logs'>>) =>
    (await shard.read('logs', { limit: 100, ...request })).rows.map(row => row.body);

  it('come newest first by time, observed time, ids and content', async () => {
    const { rows, keys } = await shard.read('logs', { limit: 100 });
    expect(rows.map(row => row.body).toSorted()).toEqual(['42', 'Disk', 'Disk', 'disk at 90%', 'disk full']);
    expect(rows[0]?.body).toBe('42');
    expect(rows[4]?.body).toBe('disk full');
    const texts = keys.map(key => key.join('\n'));
    expect(texts).toEqual(texts.toSorted().toReversed());
    expect(new Set(texts).size).toBe(4);
  });

  it('without a time have the observed one', async () => {
    const { rows } = await shard.read('logs', { limit: 1 });
    expect(rows[0]).toMatchObject({
      timestamp: '1970-01-01T00:00:00.000000008Z',
      otlp: { timeUnixNano: '0' },
    });
  });

  it('with ids of zeros have none', async () => {
    const { rows } = await shard.read('logs', { limit: 10, bodyContains: 'Disk' });
    expect(rows[0]).toMatchObject({ trace_id: null, span_id: null });
  });

  it.each<[string, Partial<ShardReadRequest<'logs'>>, string[]]>([
    ['a severity', { severity: 'fatal' }, ['disk full']],
    ['a part of the body, by case', { bodyContains: 'Disk' }, ['Disk', 'Disk']],
    ['a percent sign in the body', { bodyContains: '%' }, ['disk at 90%']],
    ['a trace', { traceId: traceId('a') }, ['42']],
    ['a time, itself included', { fromNs: '8' }, ['42']],
    ['another service', { service: 'billing' }, []],
  ])('are found by %s', async (_what, request, expected) => {
    expect(await bodies(request)).toEqual(expected);
  });

  it('are none with a limit of 0', async () => {
    expect(await bodies({ limit: 0 })).toEqual([]);
  });
});

describe('metrics', () => {
  const names = async (request: Partial<ShardReadRequest<'metrics'>>) =>
    (await shard.read('metrics', { limit: 100, ...request })).rows.map(row => row.name);

  it('come newest first, ties by name descending', async () => {
    expect(await names({})).toEqual(['hits', 'cpu', 'cpu', 'load', 'void']);
  });

  it('spell values that JSON numbers cannot hold', async () => {
    const { rows } = await shard.read('metrics', { limit: 100 });
    expect(rows[1]).toMatchObject({ value: null, value_text: 'NaN' });
    expect(rows[2]?.value).toBe(0.1);
    expect(rows[2]).not.toHaveProperty('value_text');
    expect(rows[4]).toMatchObject({ value: null, value_text: '-Infinity' });
  });

  it('keep integers that a double cannot hold', async () => {
    const { rows } = await shard.read('metrics', { name: 'hits', limit: 1 });
    expect(rows[0]?.otlp).toEqual({
      sum: { isMonotonic: true, dataPoints: [{ asInt: '9007199254740993' }] },
    });
  });

  it.each<[string, Partial<ShardReadRequest<'metrics'>>, string[]]>([
    ['a name', { name: 'cpu' }, ['cpu', 'cpu']],
    ['a type', { metricType: 'histogram' }, ['load']],
    ['a service', { service: 'shop', limit: 1 }, ['hits']],
    ['a time, itself included', { fromNs: '6' }, ['hits', 'cpu']],
    ['a type nobody sent', { metricType: 'unknown' }, []],
  ])('are found by %s', async (_what, request, expected) => {
    expect(await names(request)).toEqual(expected);
  });
});

describe('services', () => {
  it('are counted over everything, with durations summed as integers', async () => {
    const { rows, keys } = await shard.read('services', {});
    expect(keys).toEqual([['billing'], ['shop']]);
    expect(rows).toEqual([
      { service: 'billing', span_count: 3, trace_count: 2, error_count: 0, duration_sum_ns: '3' },
      { service: 'shop', span_count: 4, trace_count: 2, error_count: 1, duration_sum_ns: '1999996' },
    ]);
  });
});
