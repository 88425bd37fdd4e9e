import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tracesOf } from '../../support/otlp-samples.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard;

beforeAll(async () => {
  shard = await startTestShard();
});

afterAll(() => shard.remove());

function post(body: unknown, signal?: AbortSignal): Promise<Response> {
  return fetch(`${shard.readUrl}/internal/v1/sql`, {
    method: 'POST',
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
}

describe('POST /internal/v1/sql', () => {
  it('sees what is committed, at once', async () => {
    for (const count of [1, 2]) {
      await shard.send('traces', tracesOf('shop', [{ trace: 't', span: `s${count}` }]));
      const response = await post({ query: 'SELECT count(*) AS n FROM spans' });
      expect(await response.json()).toEqual({ rows: [{ n: count }], count: 1, truncated: false });
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json']);
    }
  });

  it.each([
    [{}, 'query: Invalid input: expected string, received undefined'],
    [{ query: '' }, /^query: Too small/],
    [{ query: `SELECT '${'x'.repeat(100_000)}'` }, /^query: Too big/],
    [{ query: 'SELECT 1', params: [] }, /params/],
    [{ query: 'DROP VIEW spans' }, 'only a SELECT is allowed'],
    [{ query: 'SELECT x FROM spans' }, /^Binder Error: .* "x" not found/],
  ])('answers %j with a 400 that says why', async (body, error) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    const answer = (await response.json()) as { error: string };
    expect(answer.error).toMatch(error);
  });

  it('ends a query whose caller hangs up, so that the next one runs', async () => {
    const caller = new AbortController();
    const endless = 'SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range < 0';
    const answer = post({ query: endless }, caller.signal).catch(() => 'hung up');
    const next = new Promise(resolve => setTimeout(resolve, 300)).then(() => {
      caller.abort();
      return post({ query: 'SELECT 1' });
    });
    expect(await answer).toBe('hung up');
    expect((await next).status).toBe(200);
  });

  it('does not hold up writes and reads', async () => {
    const endless = 'SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range < 0';
    const caller = new AbortController();
    const answer = post({ query: endless }, caller.signal).catch(() => 'hung up');
    expect((await shard.send('traces', tracesOf('other', [{ trace: 'u', span: 'v' }]))).status).toBe(200);
    expect((await shard.read('spans', { service: 'other', limit: 10 })).rows).toHaveLength(1);
    caller.abort();
    expect(await answer).toBe('hung up');
  });
});
