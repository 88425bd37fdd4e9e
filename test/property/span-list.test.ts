import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { latestStart, SpanList } from '../../src/shard/store/span-list.ts';
import { KINDS, type SpanRecord, STATUSES } from '../../src/shard/store/tables.ts';

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const span: fc.Arbitrary<SpanRecord> = fc.record({
  traceId: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }),
  slot: fc.integer({ min: 0, max: 16_383 }),
  traceKey: uint64,
  spanId: uint64,
  parentSpanId: uint64,
  service: fc.constantFrom('', 'shop', 'a service with a longer name'),
  operation: text,
  startNs: uint64,
  durationNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  status: fc.constantFrom(...STATUSES),
  kind: fc.constantFrom(...KINDS),
  attributes: text,
  events: fc.option(text),
  llm: fc.option(text),
  otlp: fc.option(text),
  source: fc.constantFrom({ resource: '{}', scope: '{}' }, { resource: '{"schemaUrl":"a"}', scope: '{}' }),
  replaces: fc.boolean(),
});

describe('packed spans', () => {
  it('are the spans that were packed, in their order', () => {
    fc.assert(
      fc.property(fc.array(span, { maxLength: 30 }), spans => {
        expect([...SpanList.of(spans)]).toEqual(spans);
      }),
    );
  });

  it('know the last start of all', () => {
    fc.assert(
      fc.property(fc.array(fc.array(span, { maxLength: 4 }), { maxLength: 4 }), lists => {
        const starts = lists.flat().map(({ startNs }) => startNs);
        const latest = starts.reduce<bigint | null>(
          (one, other) => (one !== null && one > other ? one : other),
          null,
        );
        expect(latestStart(lists.map(spans => SpanList.of(spans)))).toBe(latest);
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
    expect(() => SpanList.of([{ ...(valid as SpanRecord), ...change }])).toThrow(RangeError);
  });
});
