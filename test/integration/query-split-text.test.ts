import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MOST_TRACES_WITH_TEXT } from '../../src/shared/read/contract.ts';
import { attribute, type SpanSample, spanId, traceId, tracesOf } from '../support/otlp-samples.ts';
import { type QueryHarness, type StubBehaviour, startQuery, startShards } from '../support/query-harness.ts';
import { ndjson, shardSpec } from '../support/stub-shard.ts';
import { postRead, startTestShard, type TestShard } from '../support/test-shard.ts';

let shards: readonly [TestShard, TestShard];
let query: QueryHarness;
beforeEach(async () => {
  shards = await Promise.all([startTestShard(), startTestShard()]);
  query = await startQuery(specs(), { timeoutMs: 20_000, limits: { maxRows: 5000 } });
});
afterEach(async () => {
  await query.stop();
  await Promise.all(shards.map(shard => shard.remove()));
});

const specs = () => shards.map(({ readUrl }, index) => shardSpec(`s${index}`, Number(new URL(readUrl).port)));

/** A span that says something, or one without texts. */
function said(trace: string, no: number, prompt?: string): SpanSample {
  const texts = [attribute('gen_ai.system', 'x'), attribute('gen_ai.prompt', prompt ?? '')];
  return { trace, span: no, start: 1000 + no, attributes: prompt === undefined ? [] : texts };
}

async function send(shard: TestShard, ...spans: readonly SpanSample[]): Promise<void> {
  expect((await shard.send('traces', tracesOf('shop', spans))).status).toBe(200);
}

const path = (text: string, more = '') => `/api/v1/traces?text=${encodeURIComponent(text)}${more}`;

async function found(text: string, more = ''): Promise<readonly string[]> {
  const { status, body } = await query.get(path(text, more));
  expect({ status, partial: body.partial }).toEqual({ status: 200, partial: false });
  return (body.spans as { span_id: string }[]).map(span => span.span_id);
}

const ids = (...numbers: readonly number[]) => numbers.map(spanId);

describe('a text search over a trace that lies on two shards', () => {
  it('finds words that are on both, and shows the spans of both', async () => {
    await send(shards[0], said('split', 1, 'the card was'), said('other', 2, 'a card'));
    await send(shards[1], said('split', 3, 'declined'), said('split', 4));
    expect(await found('Declined card')).toEqual(ids(4, 3, 1));
    expect(await found('card')).toEqual(ids(4, 3, 2, 1));
    expect(await found('card declined expired')).toEqual([]);
  });

  it('shows the spans on the shard that has none of the words, however many rows are asked for', async () => {
    await send(shards[0], said('split', 1, 'the card was declined'));
    await send(shards[1], said('split', 2), said('silent', 3));
    // More than a first look at the newest spans is for.
    for (const limit of [1000, 4000]) expect(await found('declined', `&limit=${limit}`)).toEqual(ids(2, 1));
  });

  it('finds a phrase in one text on one shard and a word on the other, but no phrase across texts', async () => {
    await send(shards[0], said('split', 1, 'the card was declined'));
    await send(shards[1], said('split', 2, 'yesterday the order'));
    expect(await found('"card was" yesterday')).toEqual(ids(2, 1));
    expect(await found('"card yesterday"')).toEqual([]);
    expect(await found('"declined yesterday" card')).toEqual([]);
  });

  it('looks at what a span says now, not at what it said before it was sent again', async () => {
    await send(shards[0], said('split', 1, 'card'));
    await send(shards[1], said('split', 2, 'declined'));
    await send(shards[1], said('split', 2, 'accepted'));
    expect(await found('card declined')).toEqual([]);
    expect(await found('card accepted')).toEqual(ids(2, 1));
  });

  it('keeps to the other parameters of the question', async () => {
    await send(shards[0], said('split', 1, 'card'));
    await send(shards[1], said('split', 2, 'declined'), { ...said('split', 3), status: 2 });
    expect(await found('card declined', '&status=error')).toEqual(ids(3));
    expect(await found('card declined', '&service=bank')).toEqual([]);
  });

  it('pages over what was there on the first page', async () => {
    await send(shards[0], said('split', 1, 'card'), said('split', 2));
    await send(shards[1], said('split', 3, 'declined'));
    const { body } = await query.get(path('card declined', '&limit=1'));
    expect(body.spans).toMatchObject([{ span_id: spanId(3) }]);
    await send(shards[1], said('split', 3, 'accepted'), said('late', 0, 'card declined'));
    expect(await found('card declined', `&cursor=${String(body.next_cursor)}`)).toEqual(ids(2, 1));
    expect(await found('card declined')).toEqual(ids(0));
  });

  it('takes one round more where there is nothing to compare', async () => {
    await send(shards[0], said('one', 1, 'card declined'));
    const { body } = await query.get(path('card declined', '&explain=1'));
    expect(body).toMatchObject({ spans: [{ span_id: spanId(1) }], explain: { rounds: 2 } });
    const without = await query.get('/api/v1/traces?explain=1');
    expect(without.body).toMatchObject({ explain: { rounds: 1 } });
  });
});

describe('a text search', () => {
  const slots = [{ key: [], row: { slots: [[0, 16_383]] } }];
  const readOf = (path: string) => path.split('/').at(-1);

  async function withStubs(behaviours: readonly StubBehaviour[]): Promise<QueryHarness> {
    const stubs = await startShards(...behaviours);
    const proxy = await startQuery(
      stubs.map(({ spec }) => spec),
      { timeoutMs: 5000 },
    );
    return {
      ...proxy,
      async stop() {
        await proxy.stop();
        await Promise.all(stubs.map(stub => stub.stop()));
      },
    };
  }

  it('says that a shard is missing which fails before the rows, and does not ask it for rows', async () => {
    const asked: string[] = [];
    const key = ['1'.padStart(20, '0'), traceId('a'), spanId(1)];
    const proxy = await withStubs([
      (response, _request, read) => {
        const rows = { spanSlots: slots, traceTerms: [], spans: [{ key, row: { span_id: spanId(1) } }] };
        response.end(ndjson(rows[readOf(read.path) as keyof typeof rows]));
      },
      (response, _request, read) => {
        asked.push(readOf(read.path) ?? '');
        if (read.path.endsWith('spanSlots')) response.end(ndjson(slots));
        else response.writeHead(500).end();
      },
    ]);
    const { status, body } = await proxy.get(path('card'));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      spans: [{ span_id: spanId(1) }],
      partial: true,
      shards: { total: 2, ok: 1, failed: [{ id: 's1', reason: 'answered 500' }] },
    });
    expect(asked).toEqual(['spanSlots', 'traceTerms']);
    const strict = await proxy.get(path('card', '&partial=false'));
    expect(strict.status).toBe(503);
    await proxy.stop();
  });

  it('reads the rows at the commits that the words were read at', async () => {
    const asked: unknown[] = [];
    const terms = [{ key: [traceId('a')], row: { has: [0], of: 1 } }];
    const behave: StubBehaviour = (response, _request, read) => {
      if (read.path.endsWith('spanSlots')) return response.end(ndjson(slots));
      if (read.path.endsWith('traceTerms')) return response.end(ndjson(terms));
      asked.push(read.body);
      return response.end(ndjson([]));
    };
    const proxy = await withStubs([behave, behave]);
    await proxy.get(path('card'));
    const request = { asOf: '1', text: 'card', tracesWithText: [traceId('a')] };
    expect(asked).toMatchObject([request, request]);
    await proxy.stop();
  });

  it('says that a shard is missing in part which had more words than it could tell', async () => {
    const proxy = await withStubs(
      [0, 1].map(
        (no): StubBehaviour =>
          (response, _request, read) => {
            const isCut = no === 1 && read.path.endsWith('traceTerms');
            response.end(ndjson(read.path.endsWith('spanSlots') ? slots : [], { truncated: isCut }));
          },
      ),
    );
    const { status, body } = await proxy.get(path('card'));
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { partial: true, shards: { ok: 1, failed: [{ id: 's1' }] } },
    });
    await proxy.stop();
  });

  it('cannot go on with a cursor when a shard has deleted what its words were read from', async () => {
    const error = 'retention has deleted records since commit 1 was read';
    const rows = [3, 2, 1].map(no => ({
      key: [String(no).padStart(20, '0'), traceId('a'), spanId(no)],
      row: { span_id: spanId(no) },
    }));
    let isGone = false;
    const proxy = await withStubs(
      [0, 1].map(
        (): StubBehaviour => (response, _request, read) => {
          if (isGone) response.writeHead(410).end(JSON.stringify({ error, kind: 'snapshot-gone' }));
          else
            response.end(ndjson(read.path.endsWith('spanSlots') ? [{ key: [], row: { slots: [] } }] : rows));
        },
      ),
    );
    const { body } = await proxy.get(path('card', '&limit=1'));
    isGone = true;
    const next = await proxy.get(path('card', `&limit=1&cursor=${String(body.next_cursor)}`));
    expect(next).toMatchObject({ status: 410, body: { error: `the cursor cannot go on: ${error}` } });
    await proxy.stop();
  });

  it('may be told of as many traces as the contract says, and of no more', async () => {
    const tracesWithText = Array.from({ length: MOST_TRACES_WITH_TEXT }, (_, no) => traceId(no));
    const ask = (told: readonly string[]) =>
      postRead(shards[0].readUrl, 'spans', { text: 'x'.repeat(16_384), limit: 1, tracesWithText: told });
    expect((await ask(tracesWithText)).status).toBe(200);
    const more = await ask([...tracesWithText, traceId('x')]);
    expect({ status: more.status, body: await more.text() }).toMatchObject({
      status: 400,
      body: expect.stringMatching(/tracesWithText: /),
    });
  });
});
