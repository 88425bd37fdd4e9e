import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attribute, type SpanSample, spanId, traceId, tracesOf } from '../../support/otlp-samples.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard;
beforeEach(async () => {
  shard = await startTestShard();
});
afterEach(() => shard.remove());

async function send(...spans: readonly SpanSample[]): Promise<void> {
  const response = await shard.send('traces', tracesOf('shop', spans));
  expect(response.status).toBe(200);
}

async function operations(limit = 100): Promise<unknown[]> {
  const { rows, trailer } = await shard.read('spans', { limit });
  expect(trailer.rows).toBe(rows.length);
  return rows.map(row => row.operation);
}

describe('a span that was sent again', () => {
  it('is there once, in its last commit, although its start changed', async () => {
    await send(
      { trace: 1, span: 1, start: 500, name: 'old' },
      { trace: 1, span: 2, start: 400, name: 'other' },
    );
    await send({ trace: 1, span: 1, start: 300, name: 'new' });
    expect(await operations()).toEqual(['other', 'new']);
    const { rows } = await shard.read('trace', { traceId: traceId(1) });
    expect(rows.map(row => row.operation)).toEqual(['new', 'other']);
  });

  it('is there once when one request holds it twice', async () => {
    await send({ trace: 1, span: 1, name: 'first' }, { trace: 1, span: 1, name: 'second' });
    expect(await operations()).toEqual(['second']);
  });

  it('is not found by what only its earlier commit had', async () => {
    await send({ trace: 1, span: 1, attributes: [attribute('state', 'running')] });
    await send({ trace: 1, span: 1, attributes: [attribute('state', 'done')] });
    const found = async (state: string) =>
      (await shard.read('spans', { attributes: [['state', state]], limit: 10 })).rows.length;
    expect(await found('running')).toBe(0);
    expect(await found('done')).toBe(1);
  });

  it('does not take the place of another one within the limit', async () => {
    for (let version = 0; version < 20; version++)
      await send({ trace: 1, span: 1, start: 1000 - version, name: `v${version}` });
    await send(
      { trace: 2, span: 1, start: 10, name: 'older' },
      { trace: 2, span: 2, start: 5, name: 'oldest' },
    );
    expect(await operations(1)).toEqual(['v19']);
    expect(await operations(2)).toEqual(['v19', 'older']);
    expect(await operations(3)).toEqual(['v19', 'older', 'oldest']);
  });

  it('has its last place in its trace, which comes oldest first, ties by span id ascending', async () => {
    await send(
      { trace: 1, span: 3, start: 20 },
      { trace: 1, span: 2, start: 20 },
      { trace: 1, span: 1, start: 30 },
    );
    await send({ trace: 1, span: 1, start: 10 }, { trace: 1, span: 4, start: 15 });
    const { rows } = await shard.read('trace', { traceId: traceId(1) });
    expect(rows.map(row => row.span_id)).toEqual([1, 4, 2, 3].map(spanId));
  });

  it('is there once in a trace of more spans than are read at once', async () => {
    const spans = (first: number, name: string) =>
      Array.from({ length: 1500 }, (_, index) => ({
        trace: 1,
        span: first + index,
        start: 5000 - index,
        name,
      }));
    await send(...spans(1, 'old'));
    await send(...spans(301, 'new'));
    const { rows, keys } = await shard.read('trace', { traceId: traceId(1) });
    expect(rows).toHaveLength(1800);
    expect(rows.filter(row => row.operation === 'old')).toHaveLength(300);
    expect(new Set(rows.map(row => row.span_id)).size).toBe(1800);
    expect(keys.map(String)).toEqual(keys.map(String).toSorted());
  });

  it('keeps spans of other traces with the same span id apart', async () => {
    await send({ trace: 1, span: 1, name: 'one' });
    await send({ trace: 2, span: 1, name: 'two' });
    const { rows } = await shard.read('spans', { limit: 10 });
    expect(rows.map(row => row.span_id)).toEqual([spanId(1), spanId(1)]);
  });
});

describe('asOf', () => {
  it('grows with every commit and outlives a restart', async () => {
    const asOf = async () => BigInt((await shard.read('spans', { limit: 0 })).trailer.asOf);
    const before = await asOf();
    await send({ trace: 1, span: 1 });
    const between = await asOf();
    expect(between).toBeGreaterThan(before);
    await shard.restart();
    await send({ trace: 1, span: 2 });
    expect(await asOf()).toBeGreaterThan(between);
    expect((await shard.read('spans', { limit: 10 })).rows).toHaveLength(2);
  });
});
