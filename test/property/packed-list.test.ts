import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Layout } from '../../src/shard/store/packed/layout.ts';
import { latest, PackedList, type PackedRecord } from '../../src/shard/store/packed/list.ts';
import { LOGS, METRICS, SPANS } from '../../src/shard/store/packed/tables.ts';
import {
  KINDS,
  type LogRecord,
  METRIC_TYPES,
  type MetricRecord,
  SEVERITIES,
  type SpanRecord,
  STATUSES,
} from '../../src/shard/store/tables.ts';
import { createBufferPool } from '../../src/shared/buffer-pool.ts';

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const uint128 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const origin = {
  service: fc.constantFrom('', 'shop', 'a service with a longer name'),
  source: fc.constantFrom({ resource: '{}', scope: '{}' }, { resource: '{"schemaUrl":"a"}', scope: '{}' }),
};
const span: fc.Arbitrary<SpanRecord> = fc.record({
  ...origin,
  traceId: uint128,
  slot: fc.integer({ min: 0, max: 16_383 }),
  traceKey: uint64,
  spanId: uint64,
  parentSpanId: uint64,
  operation: text,
  startNs: uint64,
  durationNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  status: fc.constantFrom(...STATUSES),
  kind: fc.constantFrom(...KINDS),
  attributes: text,
  events: fc.option(text),
  llm: fc.option(text),
  otlp: fc.option(text),
  replaces: fc.boolean(),
});
const log: fc.Arbitrary<LogRecord> = fc.record({
  ...origin,
  timeNs: uint64,
  observedNs: uint64,
  traceId: uint128,
  spanId: uint64,
  severity: fc.constantFrom(...SEVERITIES),
  severityText: text,
  body: text,
  bodySha256: fc.option(text),
  attributes: text,
  otlp: fc.option(text),
  tie: uint64,
});
const metric: fc.Arbitrary<MetricRecord> = fc.record({
  ...origin,
  timeNs: uint64,
  name: text,
  metricType: fc.constantFrom(...METRIC_TYPES),
  value: fc.option(fc.double()),
  unit: text,
  attributes: text,
  otlp: fc.option(text),
  tie: uint64,
});

function comeBack<R extends PackedRecord>(layout: Layout<R>, record: fc.Arbitrary<R>): void {
  const buffers = createBufferPool(2 ** 20);
  fc.assert(
    fc.property(fc.array(record, { maxLength: 60 }), fc.nat(20_000), (records, expectedBytes) => {
      const list = new PackedList(layout, { expectedBytes, buffers });
      for (const each of records) list.push(each);
      expect([...list]).toEqual(records);
      list.release();
      expect([...list]).toEqual([]);
    }),
  );
}

describe('packed records', () => {
  it('are the spans that were packed, in their order', () => comeBack(SPANS, span));
  it('are the log records that were packed', () => comeBack(LOGS, log));
  it('are the metric points that were packed', () => comeBack(METRICS, metric));

  it('know the last start of all', () => {
    fc.assert(
      fc.property(fc.array(fc.array(span, { maxLength: 4 }), { maxLength: 4 }), lists => {
        const starts = lists.flat().map(({ startNs }) => startNs);
        const last = starts.reduce<bigint | null>(
          (one, other) => (one !== null && one > other ? one : other),
          null,
        );
        expect(
          latest(
            lists.map(spans => PackedList.of(SPANS, spans)),
            'startNs',
          ),
        ).toBe(last);
      }),
    );
  });

  it.each([
    ['a start below zero', { startNs: -1n }],
    ['a start of 65 bits', { startNs: 2n ** 64n }],
    ['a duration of 65 bits', { durationNs: 2n ** 63n }],
    ['a trace id of 129 bits', { traceId: 2n ** 128n }],
  ])('refuse %s', (_what, change) => {
    const [valid] = fc.sample(span, 1);
    expect(() => PackedList.of(SPANS, [{ ...(valid as SpanRecord), ...change }])).toThrow(RangeError);
  });
});
