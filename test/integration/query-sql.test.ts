import { afterEach, describe, expect, it } from 'vitest';
import { tracesOf } from '../support/otlp-samples.ts';
import { type QueryHarness, startQuery } from '../support/query-harness.ts';
import { startStubFeed } from '../support/stub-feed.ts';
import { shardSpec } from '../support/stub-shard.ts';
import { startTestShard, type TestShard } from '../support/test-shard.ts';

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function startShards(count: number): Promise<TestShard[]> {
  const shards = await Promise.all(Array.from({ length: count }, () => startTestShard()));
  for (const shard of shards) endings.push(() => shard.remove());
  return shards;
}

const specOf = (shard: TestShard, index: number) =>
  shardSpec(`s${index}`, Number(new URL(shard.readUrl).port));

async function startOver(...args: Parameters<typeof startQuery>): Promise<QueryHarness> {
  const query = await startQuery(args[0], { timeoutMs: 10_000, ...args[1] });
  endings.push(() => query.stop());
  return query;
}

const path = (parameters: Record<string, string>) => `/api/v1/sql?${new URLSearchParams(parameters)}`;
const ONE = { partial: false, shards: { total: 1, ok: 1, failed: [] } };

describe('SQL through the query proxy', () => {
  it('G6: runs on the shard that is named', async () => {
    const shards = await startShards(2);
    const query = await startOver(shards.map(specOf));
    await shards[1]?.send('traces', tracesOf('shop', [{ trace: 1, span: 1, name: 'only here' }]));
    const q = 'SELECT operation FROM spans';
    expect((await query.get(path({ q, shard: 's0' }))).body).toEqual({
      rows: [],
      count: 0,
      truncated: false,
      ...ONE,
    });
    const { status, headers, body } = await query.get(path({ q, shard: 's1' }));
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(body).toEqual({ rows: [{ operation: 'only here' }], count: 1, truncated: false, ...ONE });
  });

  it('G6: needs no name where one shard has everything, and never answers from one of several', async () => {
    const shards = (await startShards(2)).map(specOf);
    const q = 'SELECT 1 AS one';
    const alone = await startOver(shards.slice(0, 1));
    expect((await alone.get(path({ q }))).body).toEqual({
      rows: [{ one: 1 }],
      count: 1,
      truncated: false,
      ...ONE,
    });
    const { status, body } = await (await startOver(shards)).get(path({ q }));
    expect(status).toBe(400);
    expect(body).toEqual({
      error: 'shard is missing: SQL runs on one shard, not over several, expected one of s0, s1',
    });
  });

  it('refuses what it cannot pass on', async () => {
    const query = await startOver([shardSpec('s0', 1), shardSpec('s1', 1)]);
    for (const [parameters, error] of [
      ['shard=s0', 'q is missing: expected one SELECT'],
      ['q=&shard=s0', 'q is missing: expected one SELECT'],
      ['q=SELECT+1&shard=S0', 'bad shard "S0": expected one of s0, s1'],
      ['q=SELECT+1&q=SELECT+2', 'parameter q is given more than once, accepted is one value'],
      ['q=SELECT+1&shard=s0&timeout=soon', /^bad timeout "soon"/],
    ] as const) {
      const { status, body } = await query.get(`/api/v1/sql?${parameters}`);
      expect(status, parameters).toBe(400);
      expect(body.error, parameters).toMatch(error);
    }
  });

  it('H6: says what the shard says is wrong, all of it', async () => {
    const [spec] = (await startShards(1)).map(specOf);
    const query = await startOver([spec as ReturnType<typeof specOf>]);
    const drop = await query.get(path({ q: 'DROP VIEW spans' }));
    expect([drop.status, drop.body]).toEqual([400, { error: 'only a SELECT is allowed' }]);
    const column = 'x'.repeat(400);
    const { status, body } = await query.get(path({ q: `SELECT ${column} FROM spans` }));
    expect(status).toBe(400);
    expect(body.error).toMatch(new RegExp(`^Binder Error: .*"${column}" not found`));
  });

  it('keeps integers that JavaScript has no number for', async () => {
    const [spec] = (await startShards(1)).map(specOf);
    const query = await startOver([spec as ReturnType<typeof specOf>]);
    const { text } = await query.get(path({ q: 'SELECT 9007199254740993 AS n' }));
    expect(text).toMatch(
      /^\{"rows":\[\{"n":"?9007199254740993"?\}\],"count":1,"truncated":false,"partial":false,/,
    );
  });

  it('names a shard that is away, broken or too slow', async () => {
    const answers = { garbage: '<html>', silent: undefined };
    const [garbage, silent] = await Promise.all(
      Object.entries(answers).map(([id, text]) =>
        startStubFeed(id, response => void (text === undefined || response.end(text))),
      ),
    );
    const away = await startStubFeed('away', () => {});
    await away.stop();
    for (const feed of [garbage, silent]) endings.push(() => feed?.stop());
    const query = await startOver([garbage, silent, away].map(feed => feed?.spec as typeof away.spec));
    for (const [shard, reason] of [
      ['garbage', 'sent something else than an SQL answer'],
      ['silent', /^no answer within \d+ ms$/],
      ['away', /ECONNREFUSED/],
    ] as const) {
      const { status, body, headers } = await query.get(path({ q: 'SELECT 1', shard, timeout: '1s' }));
      expect(status, shard).toBe(503);
      expect(headers.get('otelfan-missing-shards')).toBe(shard);
      expect(body, shard).toEqual({
        error: expect.stringContaining(`no shard answered: ${shard} (`),
        partial: true,
        shards: {
          total: 1,
          ok: 0,
          failed: [{ id: shard, reason: expect.stringMatching(reason), elapsed_ms: expect.any(Number) }],
        },
      });
    }
  });

  it('asks a shard of kind tael through its public API', async () => {
    const feed = await startStubFeed('t0', response => {
      if (feed.asked.length === 1) response.end('{"count":1,"rows":[{"n":9007199254740993}]}');
      else response.writeHead(400).end('{"error":"SQL is not available"}');
    });
    endings.push(() => feed.stop());
    const query = await startOver([{ ...feed.spec, kind: 'tael' }]);
    const q = "SELECT n FROM t WHERE a = 'b&c'";
    expect((await query.get(path({ q }))).text).toMatch(
      /^\{"count":1,"rows":\[\{"n":9007199254740993\}\],"truncated":false,"partial":false,"shards"/,
    );
    expect(feed.asked).toEqual([`/api/v1/sql?${new URLSearchParams({ q })}`]);
    const refused = await query.get(path({ q }));
    expect([refused.status, refused.body]).toEqual([400, { error: 'SQL is not available' }]);
  });
});
