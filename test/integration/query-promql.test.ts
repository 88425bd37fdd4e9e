import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/otlp-arbitraries.ts';
import { attribute, metricsOf } from '../support/otlp-samples.ts';
import { type QueryHarness, startQuery } from '../support/query-harness.ts';
import { shardSpec } from '../support/stub-shard.ts';
import { startTestShard, type TestShard } from '../support/test-shard.ts';

const NOW_MS = 1_700_000_000_000;

interface Sample {
  readonly name: string;
  readonly service: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Before now. */
  readonly agoMs: number;
  readonly value: number;
}

const shards: TestShard[] = [];
const queries: QueryHarness[] = [];
afterEach(async () => {
  for (const query of queries.splice(0)) await query.stop();
  for (const shard of shards.splice(0)) await shard.remove();
});

async function startOver(
  parts: readonly (readonly Sample[])[],
  options: Parameters<typeof startQuery>[1] = {},
): Promise<QueryHarness> {
  const started = await Promise.all(parts.map(() => startTestShard()));
  shards.push(...started);
  for (const [index, shard] of started.entries()) {
    for (const sample of parts[index] ?? []) await shard.send('metrics', otlpOf(sample));
  }
  const specs = started.map((shard, index) => shardSpec(`s${index}`, Number(new URL(shard.readUrl).port)));
  const query = await startQuery(specs, { timeoutMs: 10_000, limits: { maxRows: 100_000 }, ...options });
  queries.push(query);
  return query;
}

function otlpOf({ name, service, attributes, agoMs, value }: Sample): Json {
  const point = {
    timeUnixNano: String(BigInt(NOW_MS - agoMs) * 1_000_000n),
    asDouble: Number.isFinite(value) ? value : String(value),
    attributes: Object.entries(attributes).map(([key, text]) => attribute(key, text)),
  };
  return metricsOf(service, [{ name, gauge: { dataPoints: [point] } }]);
}

const path = (query: string, parameters: Record<string, string> = {}) =>
  `/api/v1/metrics/query?${new URLSearchParams({ query, ...parameters })}`;

const sample = (agoMs: number, value: number, changes: Partial<Sample> = {}): Sample => ({
  name: 'http.requests',
  service: 'shop',
  attributes: { route: '/pay' },
  agoMs,
  value,
  ...changes,
});

const COMPLETE = { partial: false, shards: { total: 2, ok: 2, failed: [] } };

describe('PromQL instant queries', () => {
  it('D18: rates a counter with dots in its name, to the nanosecond and over its reset', async () => {
    const cart = { service: 'cart' };
    const query = await startOver([
      [sample(60_000, 10), sample(10_500, 4), sample(1_000, 5, cart)],
      [sample(30_000, 20), sample(500, 9), sample(2_000, 3, cart)],
    ]);
    const text = 'sum by (service) (rate({__name__="http.requests",route=~"/p.*"}[5m]))';
    const { status, body } = await query.get(path(text));
    expect(status).toBe(200);
    expect(body).toEqual({
      query: text,
      series: [
        { metric: 'sum', labels: { service: 'cart' }, value: 2, timestamp: '2023-11-14T22:13:19Z' },
        {
          metric: 'sum',
          labels: { service: 'shop' },
          value: 19 / 59.5,
          timestamp: '2023-11-14T22:13:19.500Z',
        },
      ],
      count: 2,
      ...COMPLETE,
    });
  });

  it('gives the newest sample of the last five minutes, or of the window that is asked for', async () => {
    const query = await startOver([
      [sample(301_000, 1), sample(300_000, 2, { service: 'edge' })],
      [sample(1_000, Number.NaN, { name: 'x', attributes: {} })],
    ]);
    expect((await query.get(path('{"http.requests"}'))).body).toEqual({
      query: '{"http.requests"}',
      series: [
        {
          metric: 'http.requests',
          labels: { route: '/pay', service: 'edge' },
          value: 2,
          timestamp: '2023-11-14T22:08:20Z',
        },
      ],
      count: 1,
      ...COMPLETE,
    });
    expect((await query.get(path('{"http.requests"}', { last: '10m' }))).body.count).toBe(2);
    expect((await query.get(path('x'))).body.series).toEqual([
      {
        metric: 'x',
        labels: { service: 'shop' },
        value: null,
        value_text: 'NaN',
        timestamp: '2023-11-14T22:13:19Z',
      },
    ]);
    expect((await query.get(path('nothing'))).body).toEqual({
      query: 'nothing',
      series: [],
      count: 0,
      ...COMPLETE,
    });
  });

  it('D18: answers with an error that names the setting, never from a part of the points', async () => {
    const samples = Array.from({ length: 6 }, (_, index) => sample(index, index));
    const parts = [samples.slice(0, 3), samples.slice(3)];
    const few = await startOver(parts, { limits: { maxRows: 5 } });
    const { status, body } = await few.get(path('{"http.requests"}'));
    expect(status).toBe(413);
    expect(body).toEqual({
      error: 'the query needs more than 5 points (query.maxRows): narrow it or its window',
    });
    expect((await few.get(path('{"http.requests",service="nobody"}'))).status).toBe(200);
    expect(
      (await (await startOver(parts, { limits: { maxRows: 6 } })).get(path('{"http.requests"}'))).body.count,
    ).toBe(1);
  });

  it('refuses what is no query before it asks a shard', async () => {
    const query = await startOver([]);
    for (const [url, error] of [
      ['/api/v1/metrics/query', 'query is missing: expected PromQL such as rate({"http.requests"}[5m])'],
      [path(''), 'parse error: unexpected end of the query'],
      [
        path('a.b'),
        'parse error: unexpected ".b" at character 2; a name with dots is written {"a.b"} or {__name__="a.b"}',
      ],
      [path('x'.repeat(8193)), 'query is longer than 8192 characters'],
      [
        path('x', { last: '1w' }),
        'bad last "1w": expected a whole number with s, m, h or d (15m, 24h), or bare seconds',
      ],
      [
        '/api/v1/metrics/query?query=x&query=y',
        'parameter query is given more than once, accepted is one value',
      ],
    ]) {
      const { status, body } = await query.get(url as string);
      expect(status).toBe(400);
      expect(body).toEqual({ error });
    }
  });
});

/** All kinds of expressions; the data are in reach of each. */
const QUERIES = [
  '{"m.one"}',
  '{__name__=~"m.*"}',
  'm2{service="shop"}',
  'm2{a!="1",service=~"s.*|"}',
  'm2{a=""}',
  'rate({"m.one"}[2m])',
  'increase({__name__!="m2",service!=""}[5m])',
  'sum({__name__=~".+"})',
  'sum by (service) (rate({__name__=~".+"}[5m]))',
  'avg by (a, __name__) ({__name__=~".+"})',
  'max(min by (a) (increase(m2[5m])))',
  'count by (b) ({"m.one",b!~"x"})',
];

describe('PromQL over three shards', () => {
  let one: TestShard;
  let three: TestShard[];
  const proxies: QueryHarness[] = [];

  beforeAll(async () => {
    [one, ...three] = (await Promise.all(Array.from({ length: 4 }, () => startTestShard()))) as [TestShard];
  });
  afterAll(async () => {
    for (const proxy of proxies) await proxy.stop();
    for (const shard of [one, ...three]) await shard.remove();
  });

  const samples = fc.array(
    fc.record({
      place: fc.nat(2),
      sample: fc.record({
        name: fc.constantFrom('m.one', 'm2'),
        service: fc.constantFrom('shop', 'cart', ''),
        attributes: fc.dictionary(
          fc.constantFrom('a', 'b', 'service', 'a.b'),
          fc.constantFrom('1', 'x', 'ü,"=1'),
          {
            maxKeys: 2,
          },
        ),
        agoMs: fc.integer({ min: 0, max: 40 }).map(step => step * 5_000),
        value: fc.oneof(
          { weight: 8, arbitrary: fc.double({ min: -1e6, max: 1e6, noNaN: true }) },
          fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0),
        ),
      }),
    }),
    { minLength: 300, maxLength: 300 },
  );

  it('is byte for byte what one shard with all the data answers', async () => {
    const [placed = []] = fc.sample(samples, { numRuns: 1, seed: 20_231_114 });
    // The split and the order of arrival differ.
    await Promise.all(placed.map(({ sample: each }) => one.send('metrics', otlpOf(each))));
    await Promise.all(
      placed
        .toReversed()
        .map(({ sample: each, place }) => (three[place] as TestShard).send('metrics', otlpOf(each))),
    );
    const over = async (list: readonly TestShard[]) => {
      const specs = list.map((shard, index) => shardSpec(`s${index}`, Number(new URL(shard.readUrl).port)));
      const proxy = await startQuery(specs, { timeoutMs: 10_000, limits: { maxRows: 100_000 } });
      proxies.push(proxy);
      return proxy;
    };
    const [single, split] = [await over([one]), await over(three)];
    const answer = async (proxy: QueryHarness, query: string) =>
      (await proxy.get(path(query))).text.replace(/,"partial":false,"shards":.*$/, '');
    for (const query of QUERIES) {
      const expected = await answer(single, query);
      expect(JSON.parse(`${expected}}`).count, query).toBeGreaterThan(0);
      expect(await answer(split, query), query).toBe(expected);
    }
  });
});
