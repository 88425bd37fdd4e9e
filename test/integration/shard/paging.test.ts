import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ShardReadRequest } from '../../../src/shared/read/contract.ts';
import { attribute, logsOf, metricsOf, spanId, traceId, tracesOf } from '../../support/otlp-samples.ts';
import { postWrite } from '../../support/shard-writes.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard;
beforeAll(async () => {
  shard = await startTestShard();
  const spans = Array.from({ length: 12 }, (_, index) => ({
    trace: index % 3,
    span: index + 1,
    start: 100 + Math.floor(index / 4),
    attributes: [attribute(index % 2 === 0 ? 'even' : 'odd', '')],
  }));
  await shard.send('traces', tracesOf('shop', spans));
  // Sent again with an earlier start: pages must not show what has moved behind them a second time.
  await shard.send('traces', tracesOf('shop', [{ ...(spans[11] as (typeof spans)[0]), start: 99 }]));
  await shard.send('logs', logsOf('shop', LOGS));
  await shard.send('metrics', metricsOf('shop', METRICS));
  await shard.send('metrics', metricsOf('billing', METRICS));
  for (const [index, createdNs] of ['5', '7', '5', '6', '7'].entries()) {
    const comment = { id: `c${index}`, traceId: 't', author: 'ann', body: '', createdNs };
    expect((await postWrite(shard.readUrl, 'comment', comment)).status).toBe(200);
  }
});
afterAll(() => shard.remove());

/** Some of them equal in everything. */
const LOGS = Array.from({ length: 12 }, (_, index) => ({
  timeUnixNano: String(1 + Math.floor(index / 5)),
  observedTimeUnixNano: '5',
  body: { stringValue: String(index % 3) },
  ...(index % 2 === 0 && { traceId: traceId('a'), spanId: spanId('b') }),
}));
const METRICS = ['cpu', 'mem', 'cpu', 'cpu'].map((name, index) => ({
  name,
  gauge: {
    dataPoints: [
      { timeUnixNano: String(5 + (index % 2)), asInt: '1', attributes: [attribute('host', 'h1')] },
    ],
  },
}));

type Paged = 'spans' | 'logs' | 'metrics' | 'comments';

/** Page by page as a cursor would: from the last key on, without the rows of it that were given. */
async function pageThrough<N extends Paged>(
  name: N,
  request: ShardReadRequest<N>,
  pageSize: number,
): Promise<{ keys: (readonly string[])[]; rows: unknown[] }> {
  const keys: (readonly string[])[] = [];
  const rows: unknown[] = [];
  for (;;) {
    const last = keys.at(-1);
    const given = keys.filter(key => String(key) === String(last)).length;
    const page = { limit: pageSize + given, ...(last !== undefined && { startAt: last }) };
    const answer = await shard.read(name, { ...request, ...page });
    keys.push(...answer.keys.slice(given));
    rows.push(...answer.rows.slice(given));
    if (answer.keys.length < page.limit) return { keys, rows };
  }
}

describe('pages', () => {
  it.each<[Paged, object, number]>([
    ['spans', {}, 12],
    ['spans', { attributeKeys: ['even'] }, 6],
    ['logs', {}, 12],
    ['logs', { traceId: traceId('a') }, 6],
    ['metrics', {}, 8],
    ['metrics', { oldestFirst: true }, 8],
    ['metrics', { oldestFirst: true, services: ['shop'], fromNs: '6' }, 2],
    ['comments', {}, 5],
    ['comments', { newestFirst: true }, 5],
  ])('of %s %o are together the whole', async (name, request, count) => {
    const whole = await shard.read(name, { ...request, limit: 1000 });
    expect(whole.rows).toHaveLength(count);
    for (const pageSize of [1, 2, 5]) {
      expect(await pageThrough(name, { ...request, limit: 0 }, pageSize)).toEqual({
        keys: whole.keys,
        rows: whole.rows,
      });
    }
  });

  it.each<[Paged, readonly string[], RegExp]>([
    ['spans', ['1', traceId('a'), spanId('b')], /startAt.0: expected 20 digits/],
    ['spans', ['0'.repeat(20), traceId('a')], /startAt/],
    ['logs', ['0'.repeat(20), '0'.repeat(20), '', 'b', '0'.repeat(16)], /startAt.3/],
    ['metrics', ['0'.repeat(20), 'cpu', 'shop', 'x'], /startAt.3: expected 16 hex digits/],
  ])('of %s are refused for a key of another form: %o', async (name, startAt, message) => {
    await expect(shard.read(name, { limit: 1, startAt } as never)).rejects.toThrow(message);
  });
});

describe('rows', () => {
  it('end with a window, its end included', async () => {
    const starts = async (request: Partial<ShardReadRequest<'spans'>>) =>
      (await shard.read('spans', { limit: 100, ...request })).keys.map(([start]) => Number(start));
    expect(new Set(await starts({ toNs: '101' }))).toEqual(new Set([101, 100, 99]));
    expect(new Set(await starts({ fromNs: '101', toNs: '101' }))).toEqual(new Set([101]));
    expect((await shard.read('logs', { limit: 100, toNs: '1' })).rows).toHaveLength(5);
    expect((await shard.read('metrics', { limit: 100, toNs: '5' })).rows).toHaveLength(4);
  });

  it('have every attribute key that is asked for, whatever its value', async () => {
    const count = async (attributeKeys: string[]) =>
      (await shard.read('spans', { limit: 100, attributeKeys })).rows.length;
    expect(await count(['even'])).toBe(6);
    expect(await count(['even', 'odd'])).toBe(0);
    expect(await count(['even', 'even'])).toBe(6);
  });

  it('of metrics are of any of the services and have all of the attributes', async () => {
    const services = async (request: Partial<ShardReadRequest<'metrics'>>) =>
      (await shard.read('metrics', { limit: 100, ...request })).rows.map(row => row.service);
    expect(new Set(await services({ services: ['shop', 'nobody'] }))).toEqual(new Set(['shop']));
    expect(await services({ services: [] })).toEqual([]);
    expect(await services({ attributes: [['host', 'h1']] })).toHaveLength(8);
    expect(await services({ attributes: [['host', 'h2']] })).toEqual([]);
  });
});
