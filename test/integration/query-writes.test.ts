import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { blobKey, nameKey, traceKey } from '../../src/shared/topology/shard-key.ts';
import { type EvalSite, startEvalSite } from '../support/eval-site.ts';
import { startLossy } from '../support/lossy-shard.ts';
import { spanId, traceId } from '../support/otlp-samples.ts';
import { getBlob, sha256 } from '../support/shard-writes.ts';
import type { TestShard } from '../support/test-shard.ts';

let site: EvalSite;
const stops: (() => void)[] = [];
afterEach(async () => {
  await site.stop();
  for (const stop of stops.splice(0)) stop();
});

/** A server for one test; its base URL. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const start = async (count: number, options: Parameters<typeof startEvalSite>[1] = {}) => {
  site = await startEvalSite(count, options);
};

const TRACE = traceId('a');
const SCORE = { run_id: 'run-1', case_id: 'case-1', metric: 'correctness', value: 0.5 };
const RUNNER_SPAN = {
  suite_id: 'suite',
  run_id: 'run-1',
  case_id: 'case-1',
  trace_id: TRACE,
  span_id: spanId('runner'),
  start_time: '2023-11-14T22:13:20.000000001+00:00',
  end_time: '2023-11-14T22:13:20.000000001+00:00',
  status: 'unset',
  case_index: 0,
  case_count: 2,
};
const RATIONALE = 'because it said so ✓';

const comment = (traceId = TRACE, body: object = { body: 'flaky' }) =>
  site.post(`/api/v1/traces/${traceId}/comments`, body);
const score = (more: object = {}) => site.post('/api/v1/evals/scores', { ...SCORE, ...more });
const runnerSpan = (more: object = {}) =>
  site.post('/api/v1/evals/runner-spans', { ...RUNNER_SPAN, ...more });
const blob = (content: string | Uint8Array<ArrayBuffer> = RATIONALE) =>
  site.post('/api/v1/blobs', content, {});

/** How many rows each shard has. */
const commentsOf = (shard: TestShard) => shard.read('comments', { limit: 100 });
const scoresOf = (shard: TestShard) => shard.read('metrics', { limit: 100 });
const spansOf = (shard: TestShard) => shard.read('spans', { limit: 100 });
async function counts(read: (shard: TestShard) => ReturnType<typeof commentsOf>): Promise<number[]> {
  return Promise.all(site.shards.map(async shard => (await read(shard)).rows.length));
}
const onlyOn = (owner: number) => site.shards.map((_, index) => (index === owner ? 1 : 0));

/** Each write with the key that says where it belongs, and what reads it back. */
const WRITES = [
  { name: 'comment', write: () => comment(), key: traceKey(TRACE), read: commentsOf },
  { name: 'score', write: () => score(), key: nameKey('tael_eval_score'), read: scoresOf },
  { name: 'runner span', write: () => runnerSpan(), key: traceKey(TRACE), read: spansOf },
] as const;

describe('a write', () => {
  it('of a comment is answered with the comment, stored on the shard of the trace', async () => {
    await start(3);
    const { status, body } = await comment(TRACE.toUpperCase(), {
      body: '{"title":"Größe ✓"}',
      author: 'tael:issue',
      span_id: spanId('s').toUpperCase(),
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      comment: {
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/),
        trace_id: TRACE,
        span_id: spanId('s'),
        author: 'tael:issue',
        body: '{"title":"Größe ✓"}',
        created_at: '2023-11-14T22:13:20+00:00',
      },
    });
    const owner = site.ownerOf(traceKey(TRACE));
    expect(await counts(commentsOf)).toEqual(onlyOn(owner));
    expect((await commentsOf(site.shards[owner] as TestShard)).rows).toEqual([body.comment]);
  });

  it('of a comment without an author is by anonymous, and its trace need not exist or be one of OTLP', async () => {
    await start(2);
    const { status, body } = await comment('issue:42_a.b', { body: '', author: null });
    expect(status).toBe(201);
    expect(body.comment).toMatchObject({
      trace_id: 'issue:42_a.b',
      span_id: null,
      author: 'anonymous',
      body: '',
    });
    expect(await counts(commentsOf)).toEqual(onlyOn(site.ownerOf(traceKey('issue:42_a.b'))));
  });

  it('of a score is answered with the score, stored on the shard of the metric', async () => {
    await start(3);
    const { status, body } = await score({ trace_id: TRACE, scorer: 'judge', label: '', source: 'file' });
    expect(status).toBe(201);
    expect(body).toEqual({
      score: {
        timestamp: '2023-11-14T22:13:20+00:00',
        ...SCORE,
        suite_id: null,
        trace_id: TRACE,
        span_id: null,
        scorer: 'judge',
        label: null,
      },
    });
    const owner = site.ownerOf(nameKey('tael_eval_score'));
    expect(await counts(scoresOf)).toEqual(onlyOn(owner));
    expect((await scoresOf(site.shards[owner] as TestShard)).rows).toMatchObject([
      {
        service: 'tael-eval',
        name: 'tael_eval_score',
        metric_type: 'gauge',
        unit: 'score',
        attributes: {
          run_id: 'run-1',
          case_id: 'case-1',
          metric: 'correctness',
          trace_id: TRACE,
          scorer: 'judge',
          source: 'file',
        },
      },
    ]);
  });

  it('of a runner span is answered with the span, and the same ids again replace it', async () => {
    await start(3);
    const begun = await runnerSpan();
    expect(begun.status).toBe(201);
    const ended = await runnerSpan({ status: 'OK', end_time: '2023-11-14T23:13:20.002000001+01:00' });
    expect(ended.status).toBe(201);
    expect(ended.body.span).toMatchObject({
      trace_id: TRACE,
      span_id: RUNNER_SPAN.span_id,
      service: 'tael-eval-runner',
      operation: 'tael eval case',
      kind: 'internal',
      status: 'ok',
      start_time: '2023-11-14T22:13:20.000000001Z',
      end_time: '2023-11-14T22:13:20.002000001Z',
      duration_ms: 2,
      attributes: {
        'tael.eval.suite_id': 'suite',
        'tael.eval.run_id': 'run-1',
        'tael.eval.case_id': 'case-1',
        'tael.eval.role': 'runner',
        'tael.eval.case_index': '0',
        'tael.eval.case_count': '2',
      },
    });
    const owner = site.ownerOf(traceKey(TRACE));
    expect(await counts(spansOf)).toEqual(onlyOn(owner));
    expect((await spansOf(site.shards[owner] as TestShard)).rows).toEqual([ended.body.span]);
  });

  it.each<[string, object, { start: string; end: string }]>([
    ['starts now without a start', { start_time: undefined, end_time: null }, { start: '20Z', end: '20Z' }],
    ['lasts no time without an end', { end_time: '' }, { start: '20.000000001Z', end: '20.000000001Z' }],
    [
      'without an end lasts its duration',
      { end_time: undefined, duration_ms: 1.5 },
      { start: '20.000000001Z', end: '20.001500001Z' },
    ],
    [
      'that ends before it starts lasts no time',
      { end_time: '2023-11-14T22:13:19Z' },
      { start: '20.000000001Z', end: '20.000000001Z' },
    ],
  ])('of a runner span %s', async (_what, times, { start: startTime, end }) => {
    await start(1);
    expect((await runnerSpan(times)).body.span).toMatchObject({
      start_time: `2023-11-14T22:13:${startTime}`,
      end_time: `2023-11-14T22:13:${end}`,
    });
  });

  it('of a blob is answered with its hash, stored on the shard of the hash, and may be repeated', async () => {
    await start(3);
    const expected = { sha256: sha256(RATIONALE), size: Buffer.byteLength(RATIONALE) };
    for (const _ of [1, 2]) {
      const { status, body } = await blob();
      expect([status, body]).toEqual([201, expected]);
    }
    const owner = site.ownerOf(blobKey(expected.sha256));
    const texts = await Promise.all(site.shards.map(shard => getBlob(shard.readUrl, expected.sha256)));
    expect(texts).toEqual(onlyOn(owner).map(count => (count === 1 ? RATIONALE : undefined)));
    expect((await site.query.get(`/api/v1/blobs/${expected.sha256}`)).text).toBe(RATIONALE);
  });

  it('of a blob takes bytes of any type up to 2 MiB, none at all too', async () => {
    await start(1);
    const bytes = new Uint8Array(2 * 1024 * 1024).fill(255);
    expect((await blob(bytes)).body).toEqual({ sha256: sha256(bytes), size: bytes.length });
    expect((await site.post('/api/v1/blobs', '{', { 'content-type': 'text/x-what' })).status).toBe(201);
    expect((await site.query.get('/api/v1/blobs', { method: 'POST' })).body).toEqual({
      sha256: sha256(''),
      size: 0,
    });
    const { status, body } = await blob(new Uint8Array(2 * 1024 * 1024 + 1));
    expect([status, body]).toEqual([413, { error: 'the body is larger than 2097152 bytes' }]);
  });

  it('is there after the shard was restarted', async () => {
    await start(1);
    for (const { write } of WRITES) expect((await write()).status).toBe(201);
    await blob();
    await site.shards[0]?.restart();
    for (const { read, name } of WRITES) expect(await counts(read), name).toEqual([1]);
    expect(await getBlob(site.shards[0]?.readUrl ?? '', sha256(RATIONALE))).toBe(RATIONALE);
  });

  it('other methods are refused with those that there are', async () => {
    await start(1);
    const { status, headers, body } = await site.query.get('/api/v1/evals/scores');
    expect([status, headers.get('allow')]).toEqual([405, 'POST']);
    expect(body).toEqual({ error: 'method GET is not allowed, only POST is' });
  });
});

describe('a write whose answer is lost', () => {
  it.each(WRITES)('G4: a $name is sent once more and stored once', async ({ write, read }) => {
    const lossy = await startLossy(1);
    stops.push(lossy.stop);
    await start(1, { specOf: lossy.before });
    expect((await write()).status).toBe(201);
    expect(lossy.calls()).toBe(2);
    expect(await counts(read)).toEqual([1]);
  });
});

describe('while the owner is down', () => {
  it.each([
    ...WRITES,
    { name: 'blob', write: () => blob(), key: blobKey(sha256(RATIONALE)), read: commentsOf },
  ])(
    'G8: a $name is a 503 that names it, and no other shard is given it',
    async ({ name, write, key, read }) => {
      await start(3, { query: { timeoutMs: 5_000 } });
      const owner = site.ownerOf(key);
      const others = site.shards.filter((_, index) => index !== owner);
      await site.down(owner);
      const { status, body, headers } = await write();
      expect(status).toBe(503);
      expect(body.error).toMatch(new RegExp(`^${name} not confirmed by its shard s${owner}: .*ECONNREFUSED`));
      expect(headers.get('retry-after')).toBe('1');
      for (const shard of others) {
        expect((await read(shard)).rows).toEqual([]);
        expect(await getBlob(shard.readUrl, sha256(RATIONALE))).toBeUndefined();
      }
    },
  );

  it('G8: comments on other traces are taken', async () => {
    await start(2, { query: { timeoutMs: 5_000 } });
    const ids = Array.from({ length: 20 }, (_, index) => traceId(`t${index}`));
    await site.down(0);
    const answers = await Promise.all(ids.map(async id => (await comment(id)).status));
    expect(answers).toEqual(ids.map(id => (site.ownerOf(traceKey(id)) === 0 ? 503 : 201)));
    expect(new Set(answers).size).toBe(2);
  });
});

describe('what the shard says', () => {
  it.each([
    [400, '{"error":"bad id"}', 400, 'bad id'],
    [413, '{"error":"too large"}', 413, 'too large'],
    [422, 'plain text of a framework', 400, 'plain text of a framework'],
    [
      503,
      '{"error":"the disk is full"}',
      503,
      'comment not confirmed by its shard s0: shard unavailable: the disk is full',
    ],
    [500, '', 503, 'comment not confirmed by its shard s0: answered 500'],
  ])('with %i is passed on as it should be', async (status, text, expected, error) => {
    const read = await serve((_request, response) => response.writeHead(status).end(text));
    await start(1, { specOf: spec => ({ ...spec, read }) });
    const answer = await comment();
    expect([answer.status, answer.body]).toEqual([expected, { error }]);
  });
});

describe('a write that a tael-server owns', () => {
  const tael = (listener: RequestListener) =>
    serve(listener).then(read => start(1, { specOf: spec => ({ ...spec, kind: 'tael', read }) }));

  it('is given to its REST API, whose answer is passed on', async () => {
    const calls: unknown[] = [];
    await tael(async (request, response) => {
      const body = await text(request);
      calls.push([request.method, request.url, request.url?.endsWith('blobs') ? body : JSON.parse(body)]);
      response.writeHead(201, { 'content-type': 'application/json' }).end('{"comment":{"id":"theirs"}}');
    });
    const answer = await comment();
    expect([answer.status, answer.body]).toEqual([201, { comment: { id: 'theirs' } }]);
    await score({ rationale: 'not theirs to know' });
    await runnerSpan({ end_time: '2023-11-14T22:13:21Z' });
    await blob();
    expect(calls).toEqual([
      ['POST', `/api/v1/traces/${TRACE}/comments`, { body: 'flaky', author: 'anonymous' }],
      ['POST', '/api/v1/evals/scores', SCORE],
      [
        'POST',
        '/api/v1/evals/runner-spans',
        { ...RUNNER_SPAN, end_time: '2023-11-14T22:13:21+00:00', duration_ms: 999.999999 },
      ],
      ['POST', '/api/v1/blobs', RATIONALE],
    ]);
  });

  it('is not repeated when its answer is lost, for it would be there twice', async () => {
    let calls = 0;
    await tael(request => {
      calls++;
      request.socket.destroy();
    });
    const { status, body } = await comment();
    expect([status, calls]).toEqual([503, 1]);
    expect(body.error).toMatch(/^comment not confirmed by its shard s0: connection failed/);
  });
});
