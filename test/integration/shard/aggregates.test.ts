import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ShardReadRequest } from '../../../src/shared/read/contract.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { logsOf, metricsOf, traceId, tracesOf } from '../../support/otlp-samples.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

const { slot } = await createHash();
const slotOf = (trace: string) => slot(Buffer.from(traceId(trace), 'hex'));

let shard: TestShard;
beforeAll(async () => {
  shard = await startTestShard();
  await shard.send('traces', tracesOf('shop', SHOP));
  await shard.send('traces', tracesOf('billing', BILLING));
  await shard.send(
    'logs',
    logsOf(
      'shop',
      [9, 17, 17, 13].map((severityNumber, index) => ({ severityNumber, timeUnixNano: `${index}` })),
    ),
  );
  await shard.send('metrics', metricsOf('shop', ['cpu', 'cpu', '😀', '\uffee'].map(gauge)));
});
afterAll(() => shard.remove());

const SHOP = [
  { trace: 'a', span: 1, start: 100, durationNs: 5, name: 'get' },
  { trace: 'a', span: 2, start: 110, durationNs: -2, name: 'put', status: 2 },
  { trace: 'b', span: 3, start: 120, durationNs: 7, name: 'get', status: 2 },
];
const BILLING = [{ trace: 'b', span: 4, start: 130, durationNs: 1, name: 'bill', status: 1 }];

function gauge(name: string) {
  return { name, gauge: { dataPoints: [{ timeUnixNano: '5', asDouble: 1 }] } };
}

const totals = async (request: ShardReadRequest<'spanTotals'>) =>
  (await shard.read('spanTotals', request)).rows[0];

describe('span totals', () => {
  it('count spans, traces and errors and sum durations, over everything', async () => {
    expect(await totals({})).toEqual({
      span_count: 4,
      trace_count: 2,
      error_count: 2,
      duration_sum_ns: '11',
      duration_min_ns: '-2',
      duration_max_ns: '7',
    });
  });

  it('of no spans have no least and no greatest duration', async () => {
    const none = { span_count: 0, trace_count: 0, error_count: 0, duration_sum_ns: '0' };
    expect(await totals({ service: 'nobody' })).toEqual(none);
  });

  it('are of a window with both ends, and of a service', async () => {
    expect(await totals({ fromNs: '110', toNs: '120' })).toMatchObject({
      span_count: 2,
      duration_sum_ns: '5',
    });
    expect(await totals({ fromNs: '110', service: 'shop' })).toMatchObject({ span_count: 2 });
  });
});

describe('D17: services', () => {
  it('cover everything stored, however old', async () => {
    const { rows } = await shard.read('services', {});
    expect(rows).toEqual([
      { service: 'billing', span_count: 1, trace_count: 1, error_count: 0, duration_sum_ns: '1' },
      { service: 'shop', span_count: 3, trace_count: 2, error_count: 2, duration_sum_ns: '10' },
    ]);
  });

  it('are of a window and of one service when asked so', async () => {
    const { rows } = await shard.read('services', {
      fromNs: '110',
      toNs: '129',
      service: 'shop',
    });
    expect(rows).toEqual([
      { service: 'shop', span_count: 2, trace_count: 2, error_count: 2, duration_sum_ns: '5' },
    ]);
  });
});

describe('trace ids', () => {
  const keys = async (request: Omit<ShardReadRequest<'traceIds'>, 'limit'> & { limit?: number }) =>
    (await shard.read('traceIds', { limit: 100, ...request })).keys;
  const everywhere: [number, number][] = [[0, 16_383]];

  it('are the distinct traces of the slots, in order', async () => {
    expect(await keys({ slots: everywhere })).toEqual([
      ['', traceId('a')],
      ['', traceId('b')],
    ]);
    expect(await keys({ slots: [[slotOf('b'), slotOf('b')]] })).toEqual([['', traceId('b')]]);
    expect(await keys({ slots: [] })).toEqual([]);
  });

  it('are those of each service when asked so', async () => {
    expect(await keys({ slots: everywhere, byService: true, fromNs: '111' })).toEqual([
      ['billing', traceId('b')],
      ['shop', traceId('b')],
    ]);
  });

  it('come in pages, each of which begins with the key that it is asked to', async () => {
    const all = await keys({ slots: everywhere, byService: true });
    expect(all).toHaveLength(3);
    for (const [index, startAt] of (all as [string, string][]).entries()) {
      const page = await keys({ slots: everywhere, byService: true, startAt, limit: 2 });
      expect(page).toEqual(all.slice(index, index + 2));
    }
    expect(await keys({ slots: everywhere, startAt: ['', traceId('b')] })).toEqual([['', traceId('b')]]);
  });
});

describe('duration buckets', () => {
  it('are of one service, of some, or of each', async () => {
    const counts = async (request: ShardReadRequest<'durationBuckets'>) =>
      (await shard.read('durationBuckets', request)).rows.map(({ service, count }) => [service, count]);
    expect(await counts({ scale: 0, service: 'billing' })).toEqual([[undefined, 1]]);
    expect(await counts({ scale: 0, services: [] })).toEqual([]);
    expect(await counts({ scale: 0, services: ['shop', 'nobody'] })).toEqual([
      [undefined, 1],
      [undefined, 2],
    ]);
    expect(await counts({ scale: 0, byService: true })).toEqual([
      ['billing', 1],
      ['shop', 1],
      ['shop', 2],
    ]);
  });
});

describe('group counts', () => {
  const groups = async (request: ShardReadRequest<'groupCounts'>) => {
    const { keys, rows } = await shard.read('groupCounts', request);
    expect(keys).toEqual(rows.map(({ group }) => group));
    return rows.map(({ group, count }) => [...(group as string[]), count]);
  };

  it('count spans by any of their columns, in the order of the names', async () => {
    expect(await groups({ of: 'spans', by: ['service', 'operation'] })).toEqual([
      ['billing', 'bill', 1],
      ['shop', 'get', 2],
      ['shop', 'put', 1],
    ]);
    expect(await groups({ of: 'spans', by: ['status'], service: 'shop', fromNs: '1' })).toEqual([
      ['error', 2],
      ['unset', 1],
    ]);
    expect(await groups({ of: 'spans', by: ['operation'], status: 'error' })).toEqual([
      ['get', 1],
      ['put', 1],
    ]);
  });

  it('count logs and metrics', async () => {
    expect(await groups({ of: 'logs', by: ['severity'] })).toEqual([
      ['error', 2],
      ['info', 1],
      ['warn', 1],
    ]);
    expect(await groups({ of: 'logs', by: ['severity'], toNs: '0' })).toEqual([['info', 1]]);
    expect(await groups({ of: 'metrics', by: ['name'] })).toEqual([
      ['cpu', 2],
      ['\uffee', 1],
      ['😀', 1],
    ]);
  });

  it('are those above a floor, those that are named, or the largest', async () => {
    const by: ['service', 'operation'] = ['service', 'operation'];
    expect(await groups({ of: 'spans', by, atLeast: 2 })).toEqual([['shop', 'get', 2]]);
    const wanted = [
      ['shop', 'put'],
      ['billing', 'get'],
    ];
    expect(await groups({ of: 'spans', by, groups: wanted })).toEqual([['shop', 'put', 1]]);
    expect(await groups({ of: 'spans', by, groups: [] })).toEqual([]);
    expect(await groups({ of: 'spans', by, top: 2 })).toEqual([
      ['billing', 'bill', 1],
      ['shop', 'get', 2],
    ]);
  });

  it('are refused for a group that has another number of names', async () => {
    await expect(groups({ of: 'logs', by: ['service'], groups: [['a', 'b']] })).rejects.toThrow(
      '400 {"error":"groups: expected as many names in each group as there are columns in `by`"}',
    );
  });
});

describe('holdings', () => {
  it('are what the shard has', async () => {
    expect((await shard.read('holdings', {})).rows).toEqual([
      { spans: 4, logs: 4, metrics: 4, comments: 0, blobs: 0, floor: '0' },
    ]);
  });
});
