import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SHARD_WRITES } from '../../../src/shared/read/writes.ts';
import { attribute, spanId, traceId, tracesOf } from '../../support/otlp-samples.ts';
import { getBlob, postWrite, putBlob, sha256 } from '../../support/shard-writes.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard;
beforeEach(async () => {
  shard = await startTestShard();
});
afterEach(() => shard.remove());

const COMMENT = {
  id: '6f1c0a52-6b1e-4f0e-9d43-5b6a2f7f5a10',
  traceId: traceId('t'),
  spanId: spanId('s'),
  author: 'tael:issue',
  body: '{"title":"Größe ✓","n":1.0}\n\u0000',
  createdNs: '1700000000123456789',
};
const SCORE = {
  id: 'score-1',
  timeNs: '1700000000100000000',
  value: 0.5,
  attributes: { run_id: 'run-1', case_id: 'case-1', metric: 'correctness', label: 'pass' },
};
const RUNNER_SPAN = {
  id: 'runner-1',
  traceId: traceId('eval'),
  spanId: spanId('eval'),
  startNs: '1700000000000000001',
  endNs: '1700000000002000001',
  status: 'ok',
  attributes: { 'tael.eval.run_id': 'run-1', 'tael.eval.case_id': 'case-1', 'tael.eval.case_count': '2' },
};
const WRITES = { comment: COMMENT, score: SCORE, runnerSpan: RUNNER_SPAN } as const;
const KINDS = Object.keys(SHARD_WRITES) as (keyof typeof SHARD_WRITES)[];

const write = (kind: keyof typeof SHARD_WRITES, body: unknown) => postWrite(shard.readUrl, kind, body);

const READ_BACK = {
  comment: () => shard.read('comments', { limit: 10 }),
  score: () => shard.read('metrics', { limit: 10 }),
  runnerSpan: () => shard.read('spans', { limit: 10 }),
} as const;

/** Stored spans, replaced ones excluded, as aggregates see them. */
async function countedSpans(asOf?: string): Promise<unknown> {
  const { rows } = await shard.read('services', { ...(asOf !== undefined && { asOf }) });
  return rows[0]?.span_count;
}

describe('the write API', () => {
  it('stores a comment as contract §1.2 has it', async () => {
    expect(await write('comment', COMMENT)).toEqual({
      status: 200,
      body: {
        id: COMMENT.id,
        trace_id: COMMENT.traceId,
        span_id: COMMENT.spanId,
        author: COMMENT.author,
        body: COMMENT.body,
        created_at: '2023-11-14T22:13:20.123456789+00:00',
      },
    });
    const { spanId: _, ...onTheTrace } = COMMENT;
    expect((await write('comment', { ...onTheTrace, id: 'c2' })).body).toMatchObject({ span_id: null });
  });

  it('stores a score as the gauge of contract §1.5', async () => {
    const { status, body } = await write('score', SCORE);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      timestamp: '2023-11-14T22:13:20.100Z',
      service: 'tael-eval',
      name: 'tael_eval_score',
      metric_type: 'gauge',
      value: 0.5,
      unit: 'score',
      attributes: SCORE.attributes,
    });
  });

  it('stores a runner span as contract §1.5 has it', async () => {
    const { status, body } = await write('runnerSpan', RUNNER_SPAN);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      trace_id: RUNNER_SPAN.traceId,
      span_id: RUNNER_SPAN.spanId,
      parent_span_id: null,
      service: 'tael-eval-runner',
      operation: 'tael eval case',
      kind: 'internal',
      status: 'ok',
      start_time: '2023-11-14T22:13:20.000000001Z',
      end_time: '2023-11-14T22:13:20.002000001Z',
      duration_ms: 2,
      attributes: RUNNER_SPAN.attributes,
    });
  });

  it.each(KINDS)('answers a %s with the row that reads give', async kind => {
    const { body } = await write(kind, WRITES[kind]);
    expect((await READ_BACK[kind]()).rows).toEqual([body]);
  });

  it.each(KINDS)(
    'stores a %s once that is sent again, also after a restart, and answers as before',
    async kind => {
      const first = await write(kind, WRITES[kind]);
      expect(await write(kind, WRITES[kind])).toEqual(first);
      await shard.restart();
      expect(await write(kind, WRITES[kind])).toEqual(first);
      expect((await READ_BACK[kind]()).rows).toEqual([first.body]);
    },
  );

  it.each(KINDS)('stores a %s once that arrives many times at once', async kind => {
    const answers = await Promise.all(Array.from({ length: 30 }, () => write(kind, WRITES[kind])));
    expect(new Set(answers.map(answer => JSON.stringify(answer))).size).toBe(1);
    expect((await READ_BACK[kind]()).rows).toEqual([answers[0]?.body]);
  });

  describe('with a fingerprint', () => {
    const LATER = {
      comment: { createdNs: '1700000009000000000' },
      score: { timeNs: '1700000009000000000' },
      runnerSpan: { startNs: '1700000009000000000', endNs: '1700000009000000000' },
    } as const;
    const first = (kind: keyof typeof WRITES) => ({ ...WRITES[kind], fingerprint: sha256('sent') });
    const later = (kind: keyof typeof WRITES) => ({ ...first(kind), ...LATER[kind] });

    it.each(KINDS)(
      'answers a %s that comes again at another time as before, whoever was first',
      async kind => {
        const answers = await Promise.all(
          Array.from({ length: 10 }, (_, index) => write(kind, index % 2 === 0 ? first(kind) : later(kind))),
        );
        await shard.restart();
        answers.push(await write(kind, later(kind)));
        expect(new Set(answers.map(answer => JSON.stringify(answer))).size).toBe(1);
        expect((await READ_BACK[kind]()).rows).toEqual([answers[0]?.body]);
      },
    );

    it('answers 409 when something else was written under the id, and stores nothing', async () => {
      const { body } = await write('score', first('score'));
      const other = await write('score', { ...later('score'), fingerprint: sha256('other') });
      expect(other).toEqual({
        status: 409,
        body: { error: 'something else was written under the same id' },
      });
      expect((await READ_BACK.score()).rows).toEqual([body]);
    });

    it('is a new write once the id is forgotten', async () => {
      const { body } = await write('score', first('score'));
      shard.advance(9 * 86_400_000);
      const again = await write('score', { ...later('score'), fingerprint: sha256('other') });
      expect(again.status).toBe(200);
      expect((await READ_BACK.score()).rows).toEqual([again.body, body]);
      expect(await write('score', { ...first('score'), fingerprint: sha256('other') })).toEqual(again);
    });
  });

  it('keeps writes of different kinds apart, and from batches, whose ids are alike', async () => {
    await shard.deliver({
      id: 'same',
      signal: 'traces',
      slices: [{ exportId: traceId('e'), json: tracesOf('shop', [{ trace: 1, span: 1 }]) }],
    });
    for (const kind of KINDS) await write(kind, { ...WRITES[kind], id: 'same' });
    const rowCounts = await Promise.all(KINDS.map(async kind => (await READ_BACK[kind]()).rows.length));
    expect(Object.fromEntries(KINDS.map((kind, index) => [kind, rowCounts[index]]))).toEqual({
      comment: 1,
      score: 1,
      runnerSpan: 2,
    });
  });

  it('replaces the runner span of the same ids, in rows and in aggregates', async () => {
    await write('runnerSpan', { ...RUNNER_SPAN, id: 'begin', status: 'unset', endNs: RUNNER_SPAN.startNs });
    const { asOf } = (await shard.read('services', {})).trailer;
    const ended = await write('runnerSpan', { ...RUNNER_SPAN, id: 'end', status: 'error' });

    expect((await shard.read('spans', { limit: 10 })).rows).toEqual([ended.body]);
    expect((await shard.read('trace', { traceId: RUNNER_SPAN.traceId })).rows).toEqual([ended.body]);
    expect((await shard.read('services', {})).rows).toMatchObject([
      { service: 'tael-eval-runner', span_count: 1, error_count: 1, duration_sum_ns: '2000000' },
    ]);
    expect((await shard.read('spans', { limit: 10, asOf })).rows).toMatchObject([{ status: 'unset' }]);
    expect(await countedSpans(asOf)).toBe(1);
  });

  it('leaves the runner span that replaces in place when the replaced one is sent again', async () => {
    const begin = { ...RUNNER_SPAN, id: 'begin', status: 'unset' };
    await write('runnerSpan', begin);
    const end = await write('runnerSpan', { ...RUNNER_SPAN, id: 'end' });
    await write('runnerSpan', begin);
    expect((await shard.read('spans', { limit: 10 })).rows).toEqual([end.body]);
    expect(await countedSpans()).toBe(1);
  });

  it('counts one of the runner spans of the same ids that are stored at once', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `runner-${index}`);
    await Promise.all(ids.map(id => write('runnerSpan', { ...RUNNER_SPAN, id })));
    expect((await shard.read('spans', { limit: 10 })).rows).toHaveLength(1);
    expect(await countedSpans()).toBe(1);
  });

  it('replaces no span of other ids', async () => {
    const exported = [
      { trace: 'eval', span: 'other', attributes: [attribute('k', 'v')] },
      { trace: 'other', span: 'eval' },
    ];
    await shard.send('traces', tracesOf('shop', exported));
    await write('runnerSpan', RUNNER_SPAN);
    expect((await shard.read('services', {})).rows).toMatchObject([
      { service: 'shop', span_count: 2 },
      { service: 'tael-eval-runner', span_count: 1 },
    ]);
  });

  const refused: readonly (readonly [string, keyof typeof SHARD_WRITES, unknown, string])[] = [
    ['a comment without a body', 'comment', { ...COMMENT, body: undefined }, 'body'],
    ['an id of other characters', 'comment', { ...COMMENT, id: '../x' }, 'A-Z a-z 0-9'],
    ['a trace id with a slash', 'comment', { ...COMMENT, traceId: 'a/b' }, 'traceId'],
    ['half a surrogate pair', 'comment', { ...COMMENT, body: '\ud800' }, 'surrogate'],
    ['a member that is not known', 'comment', { ...COMMENT, colour: 'red' }, 'colour'],
    ['a time that is no number', 'score', { ...SCORE, timeNs: '1e9' }, 'timeNs'],
    ['a time beyond 64 bits', 'score', { ...SCORE, timeNs: '18446744073709551616' }, '2^64'],
    ['a value that is no number', 'score', { ...SCORE, value: '1' }, 'value'],
    ['an attribute that is no text', 'score', { ...SCORE, attributes: { a: 1 } }, 'attributes.a'],
    ['a trace id of zeros', 'runnerSpan', { ...RUNNER_SPAN, traceId: '0'.repeat(32) }, 'traceId'],
    ['a span id in upper case', 'runnerSpan', { ...RUNNER_SPAN, spanId: 'A'.repeat(16) }, 'spanId'],
    ['another status', 'runnerSpan', { ...RUNNER_SPAN, status: 'OK' }, 'status'],
  ];
  it.each(refused)('refuses %s and names it', async (_what, kind, body, message) => {
    expect(await write(kind, body)).toEqual({
      status: 400,
      body: { error: expect.stringContaining(message) as string },
    });
    expect((await READ_BACK[kind]()).rows).toEqual([]);
  });

  it('refuses an unknown kind, another method and a body that is too large', async () => {
    expect(await write('toString' as never, {})).toMatchObject({ status: 404 });
    expect((await fetch(`${shard.readUrl}/internal/v1/writes/comment`)).status).toBe(405);
    const tooLarge = await write('comment', { ...COMMENT, body: 'x'.repeat(4 * 1024 * 1024) });
    expect(tooLarge).toMatchObject({
      status: 413,
      body: { error: expect.stringContaining('4194304') as string },
    });
  });
});

describe('while the shard cannot store', () => {
  it('writes are a 503 with the reason, reads go on, and the same write is taken when there is room', async () => {
    const reserve = { minFreeBytes: 2 ** 60 };
    await restartWith(reserve);
    for (const kind of KINDS) {
      const again = await write(kind, { ...WRITES[kind], id: 'again' });
      expect(again).toEqual({
        status: 503,
        body: { error: expect.stringContaining('shard.minFreeBytes') as string },
      });
    }
    expect((await putBlob(shard.readUrl, 'text')).status).toBe(503);
    expect(await getBlob(shard.readUrl, sha256('text'))).toBeUndefined();
    expect((await READ_BACK.score()).rows).toEqual([]);

    reserve.minFreeBytes = 1;
    await shard.restart();
    for (const kind of KINDS) expect((await write(kind, { ...WRITES[kind], id: 'again' })).status).toBe(200);
    expect((await putBlob(shard.readUrl, 'text')).status).toBe(200);
    expect((await READ_BACK.score()).rows).toHaveLength(1);
  });
});

/** The options are read anew at each start. */
async function restartWith(options: { minFreeBytes: number }): Promise<void> {
  await shard.remove();
  shard = await startTestShard(options);
}
