import { afterEach, describe, expect, it } from 'vitest';
import { type EvalSite, startEvalSite } from '../support/eval-site.ts';
import { startLossy } from '../support/lossy-shard.ts';
import { spanId, traceId } from '../support/otlp-samples.ts';
import type { TestShard } from '../support/test-shard.ts';

let site: EvalSite;
let nowMs = 1_700_000_000_000;
afterEach(() => site.stop());

async function start(count: number, options: Parameters<typeof startEvalSite>[1] = {}): Promise<void> {
  site = await startEvalSite(count, {
    query: { timeoutMs: 20_000, clock: { now: () => nowMs } },
    ...options,
  });
}

const TRACE = traceId('a');
const KEY = '"8e03978e-40d5"';
const post = (path: string, body: object, key = KEY) =>
  site.post(`/api/v1/${path}`, body, { 'content-type': 'application/json', 'idempotency-key': key });
const comment = (body: string, { trace = TRACE, key = KEY } = {}) =>
  post(`traces/${trace}/comments`, { body }, key);
const score = (source: string) =>
  post('evals/scores', { run_id: 'run-1', case_id: 'case-1', metric: 'correctness', value: 0.5, source });
const runnerSpan = (code_version: string) =>
  post('evals/runner-spans', {
    suite_id: 'suite',
    run_id: 'run-1',
    case_id: 'case-1',
    trace_id: TRACE,
    span_id: spanId('runner'),
    code_version,
  });
const blob = (content: string, key: string) =>
  site.post('/api/v1/blobs', content, { 'idempotency-key': key });

async function counts(read: (shard: TestShard) => ReturnType<TestShard['read']>): Promise<number[]> {
  return Promise.all(site.shards.map(async shard => (await read(shard)).rows.length));
}

const WRITES = [
  { name: 'comment', write: comment, read: (shard: TestShard) => shard.read('comments', { limit: 9 }) },
  { name: 'score', write: score, read: (shard: TestShard) => shard.read('metrics', { limit: 9 }) },
  { name: 'runner span', write: runnerSpan, read: (shard: TestShard) => shard.read('spans', { limit: 9 }) },
] as const;

describe('a write under an Idempotency-Key', () => {
  it.each(WRITES)('is stored once when its $name is repeated, and answered as before', async each => {
    await start(2);
    const first = await each.write('some');
    expect(first.status).toBe(201);
    nowMs += 5000;
    const again = await each.write('some');
    expect([again.status, again.text]).toEqual([201, first.text]);
    await Promise.all(site.shards.map(shard => shard.restart()));
    expect((await each.write('some')).text).toBe(first.text);
    expect((await counts(each.read)).reduce((sum, count) => sum + count)).toBe(1);
  });

  it.each(WRITES)('is a 422 when the key was used for another $name, which stays as it was', async each => {
    await start(1);
    const first = await each.write('some');
    const { status, body } = await each.write('other');
    expect([status, body]).toEqual([
      422,
      { error: `another ${each.name} was written with this Idempotency-Key` },
    ]);
    expect((await each.write('some')).text).toBe(first.text);
    expect(await counts(each.read)).toEqual([1]);
  });

  it('is stored once when attempts overlap, whatever they say', async () => {
    await start(1);
    const attempts = await Promise.all(['a', 'b', 'a', 'b', 'a', 'b'].map(body => comment(body)));
    const taken = attempts.filter(({ status }) => status === 201);
    expect(attempts.map(({ status }) => status).toSorted()).toEqual([201, 201, 201, 422, 422, 422]);
    expect(new Set(taken.map(({ text }) => text)).size).toBe(1);
    expect(await counts(WRITES[0].read)).toEqual([1]);
  });

  it('is another one on another trace, or under another key', async () => {
    await start(1);
    const ids = new Set<unknown>();
    for (const [trace, given] of [
      ['a', 'k1'],
      ['b', 'k1'],
      ['a', 'k2'],
      // The same as without quotes.
      ['a', '"k2"'],
    ] as const) {
      const { body } = await comment('x', { trace, key: given });
      ids.add((body.comment as { id: string }).id);
    }
    expect((await blob('x', 'k1')).status).toBe(201);
    expect(ids.size).toBe(3);
    expect(await counts(WRITES[0].read)).toEqual([3]);
  });

  it('is stored once when nobody knew whether it was stored', async () => {
    const lossy = await startLossy(2);
    await start(1, { specOf: lossy.before });
    expect((await score('file')).status).toBe(503);
    expect((await score('file')).status).toBe(201);
    lossy.stop();
    expect(await counts(WRITES[1].read)).toEqual([1]);
  });

  it.each(['', '""', '"open', 'a b', 'a, b', '"ü"', `"${'x'.repeat(256)}"`])(
    'is refused with a bad one: %s',
    async bad => {
      await start(1);
      const { status, body } = await blob('x', Buffer.from(bad).toString('latin1'));
      expect(status).toBe(400);
      expect(body.error).toMatch(
        /^bad Idempotency-Key ".*": expected 1 to 255 visible ASCII characters, in double quotes or without/,
      );
    },
  );
});
