import { describe, expect, it } from 'vitest';
import { PackedList } from '../../../../src/shard/store/packed/list.ts';
import { SPANS } from '../../../../src/shard/store/packed/tables.ts';
import type { SpanRecord } from '../../../../src/shard/store/tables.ts';
import { orderByTrace, type TraceOrder } from '../../../../src/shard/store/trace-order.ts';
import { spanRecord } from '../../../support/shard-store.ts';

/** Traces and spans of each list, in turn. */
function lists(...all: (readonly [trace: number, span: number])[][]): PackedList<SpanRecord>[] {
  return all.map(spans => packed(spans.map(([trace, span]) => spanRecord(trace, span))));
}

function packed(spans: readonly SpanRecord[]): PackedList<SpanRecord> {
  return PackedList.of(SPANS, spans);
}

function keysOf({ traces: { count, keys } }: TraceOrder): bigint[] {
  return [...new BigUint64Array(keys.buffer, 0, count)];
}

describe('the order of the spans of a commit', () => {
  it('keeps a trace together, in the order in which its spans came, over all lists', () => {
    const order = orderByTrace(
      lists(
        [
          [1, 1],
          [2, 1],
          [1, 2],
        ],
        [
          [3, 1],
          [2, 2],
        ],
        [],
        [[1, 3]],
      ),
    );
    expect([...order.arrivals]).toEqual([0, 2, 5, 1, 4, 3]);
    expect(keysOf(order)).toEqual([1, 2, 3].map(trace => spanRecord(trace, 1).traceKey));
  });

  it('has every span once, however many traces there are', () => {
    const spans = Array.from({ length: 5000 }, (_, index) => [index % 1234, index] as const);
    const { arrivals, traces } = orderByTrace(lists([...spans]));
    expect(new Set(arrivals).size).toBe(5000);
    expect(traces.count).toBe(1234);
    const inOrder = Array.from(arrivals, arrival => (spans[arrival] as readonly [number, number])[0]);
    expect(inOrder).toEqual(inOrder.toSorted((one, other) => one - other));
  });

  it('keeps apart traces whose keys share a half', () => {
    const keys = [1n, 1n << 32n, (1n << 32n) | 1n, 1n];
    const spans = keys.map((traceKey, index) => spanRecord(index, 1, { traceKey }));
    const order = orderByTrace([packed(spans)]);
    expect([...order.arrivals]).toEqual([0, 3, 1, 2]);
    expect(keysOf(order)).toEqual(keys.slice(0, 3));
  });

  it.each([2, 24, 25, 300])('says which trace of %s spans has one twice', size => {
    const once = Array.from({ length: size }, (_, span) => [7, span + 1] as const);
    const twice = once.map(([, span]) => [8, span === size ? 1 : span] as const);
    const { traces } = orderByTrace(lists([...once, ...twice]));
    expect([...traces.repeats]).toEqual([0, 1]);
  });

  it('is empty without spans', () => {
    expect(orderByTrace([])).toMatchObject({ arrivals: new Int32Array(), traces: { count: 0 } });
  });
});
