import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Anomaly } from '../../src/query/merge/anomaly-rules.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { sortedIndex } from '../support/durations.ts';
import { traceId } from '../support/otlp-samples.ts';
import { postWrite } from '../support/shard-writes.ts';
import { load, NOW_NS, shopData } from '../support/shop-data.ts';

/** Everything on one shard, and the same on three. */
let one: Cluster;
let three: Cluster;
const data = shopData();

beforeAll(async () => {
  [one, three] = await Promise.all([startCluster(1), startCluster(3)]);
  for (const { shards } of [one, three]) {
    await load(data, shards);
    for (let number = 0; number < 20; number++) {
      await comment(shards[number % shards.length]?.readUrl, number);
      // A copy, as shards have them that share a store of comments.
      if (number % 5 === 0) await comment(shards[(number + 1) % shards.length]?.readUrl, number);
    }
  }
});
afterAll(() => Promise.all([one.stop(), three.stop()]));

async function comment(readUrl: string | undefined, number: number): Promise<void> {
  const { status } = await postWrite(readUrl ?? '', 'comment', {
    id: `c${number}`,
    traceId: traceId(number % 3),
    author: 'me',
    body: `comment ${number}`,
    createdNs: String(NOW_NS + BigInt((number * 7) % 10)),
  });
  expect(status).toBe(200);
}

/** A cursor names the shards. */
const COMPLETENESS =
  /(,"next_cursor":"[^"]+")?,"partial":false,"shards":\{"total":\d,"ok":\d,"failed":\[\]\}\}$/;

describe('three shards answer exactly like one', () => {
  it.each([
    '/api/v1/summary',
    '/api/v1/summary?last=6h',
    '/api/v1/summary?last=365d',
    '/api/v1/summary?service=service+3',
    '/api/v1/summary?service=nobody',
    '/api/v1/anomalies',
    '/api/v1/anomalies?last=90m&baseline=8h',
    '/api/v1/anomalies?service=service+2',
    `/api/v1/correlate?trace=${traceId(7)}`,
    `/api/v1/correlate?trace=${traceId(399)}`,
    `/api/v1/traces/${traceId(1)}/comments`,
    `/api/v1/traces/${traceId(77)}/comments`,
    '/api/v1/comments',
    '/api/v1/comments?limit=7',
    '/api/v1/services',
  ])('%s', async path => {
    const [whole, split] = await Promise.all([one.query.get(path), three.query.get(path)]);
    expect(split.status).toBe(200);
    expect(split.text).toMatch(COMPLETENESS);
    expect(split.text.replace(COMPLETENESS, '')).toBe(whole.text.replace(COMPLETENESS, ''));
    expect((await three.query.get(path)).text).toBe(split.text);
  });
});

it('comments can be paged through, each of them once', async () => {
  const found: unknown[] = [];
  let cursor: string | undefined;
  do {
    const page = await three.query.get(
      `/api/v1/comments?limit=3${cursor === undefined ? '' : `&cursor=${cursor}`}`,
    );
    const { comments, next_cursor } = page.body as { comments: unknown[]; next_cursor?: string };
    found.push(...comments);
    cursor = next_cursor;
  } while (cursor !== undefined);
  expect(found).toHaveLength(20);
  expect(found).toEqual((await three.query.get('/api/v1/comments')).body.comments);
});

it('anomalies are the services that fail more often or are slower than over six hours', async () => {
  const of = (service: string, hours: number) => {
    const spans = data.spans
      .filter(each => each.service === service)
      .map(({ record }) => record)
      .filter(({ start }) => BigInt(start ?? 0) >= NOW_NS - BigInt(hours) * 3_600_000_000_000n);
    const p95 = sortedIndex(
      spans.map(({ durationNs }) => BigInt(durationNs ?? 0)),
      0.95,
    );
    return {
      count: spans.length,
      rate: spans.filter(({ status }) => status === 2).length / spans.length,
      ms: Number(p95) / 1e6,
    };
  };
  const expected = [...new Set(data.spans.map(({ service }) => service))].flatMap(service => {
    const [now, before] = [of(service, 1), of(service, 6)];
    if (now.count < 5) return [];
    const failing = now.rate - before.rate > 0.05 ? [`${service} error_rate ${now.rate} ${before.rate}`] : [];
    const isSlow = now.ms > 50 && now.ms >= 1.5 * before.ms;
    return isSlow ? [...failing, `${service} latency_p95 ${now.ms} ${before.ms}`] : failing;
  });
  expect(expected.length).toBeGreaterThan(5);
  const { anomalies } = (await three.query.get('/api/v1/anomalies')).body as {
    anomalies: readonly Anomaly[];
  };
  const found = anomalies.map(
    ({ service, kind, current, baseline }) => `${service} ${kind} ${current} ${baseline}`,
  );
  expect(found.toSorted()).toEqual(expected.toSorted());
});

describe('a summary', () => {
  const counted = data.spans.filter(({ record }) => BigInt(record.start ?? 0) >= NOW_NS - 3_600_000_000_000n);
  const ms = (nanos: bigint | undefined) => Number(nanos) / 1e6;
  const durationsOf = (service?: string) =>
    counted
      .filter(each => service === undefined || each.service === service)
      .map(({ record }) => BigInt(record.durationNs ?? 0));

  it('says what its spans, log records and points say', async () => {
    const { body } = await three.query.get('/api/v1/summary');
    const durations = durationsOf();
    expect(body.traces).toMatchObject({
      span_count: counted.length,
      trace_count: new Set(counted.map(({ record }) => record.trace)).size,
      error_count: counted.filter(({ record }) => record.status === 2).length,
      max_ms: ms(sortedIndex(durations, 1)),
      p50_ms: ms(sortedIndex(durations, 0.5)),
      p95_ms: ms(sortedIndex(durations, 0.95)),
      p99_ms: ms(sortedIndex(durations, 0.99)),
    });
    const services = [...Map.groupBy(counted, ({ service }) => service)]
      .map(([service, spans]) => ({
        service,
        span_count: spans.length,
        error_rate: spans.filter(({ record }) => record.status === 2).length / spans.length,
        p95_ms: ms(sortedIndex(durationsOf(service), 0.95)),
      }))
      .sort((a, b) => b.span_count - a.span_count || (a.service < b.service ? -1 : 1));
    expect(services.length).toBeGreaterThan(10);
    expect(body.top_services).toEqual(services.slice(0, 10));
    const severity = (from: number, to: number) =>
      data.logs.filter(({ record }) => {
        const number = record.severityNumber as number;
        return (
          BigInt(String(record.timeUnixNano)) >= NOW_NS - 3_600_000_000_000n && number >= from && number <= to
        );
      }).length;
    expect(body.logs).toEqual({
      total: severity(0, 24),
      error: severity(17, 24),
      warn: severity(13, 16),
      info: severity(9, 12),
      debug: severity(5, 8),
    });
  });

  it('is only as large as query.maxGroups allows', async () => {
    const small = await startCluster(1, { limits: { maxGroups: 20 } });
    try {
      await load({ spans: [], logs: [], metrics: data.metrics }, small.shards);
      const { status, body } = await small.query.get('/api/v1/summary?last=1d');
      expect(status).toBe(413);
      expect(body).toEqual({
        error: 'a shard has more than 20 metric names, query.maxGroups: narrow the window or name a service',
      });
    } finally {
      await small.stop();
    }
  });
});

describe('without one of its shards', () => {
  let down: Cluster;
  beforeAll(async () => {
    down = await startCluster(2);
    await load(data, down.shards);
    await down.shards[1]?.remove();
  });
  afterAll(async () => {
    await down.query.stop();
    await down.shards[0]?.remove();
  });

  it.each(['/api/v1/summary', '/api/v1/anomalies', '/api/v1/comments'])(
    '%s is partial, and says so',
    async path => {
      const { status, body, headers } = await down.query.get(path);
      expect(status).toBe(200);
      expect(body).toMatchObject({ partial: true, shards: { total: 2, ok: 1, failed: [{ id: 's1' }] } });
      expect(headers.get('otelfan-missing-shards')).toBe('s1');
      expect((await down.query.get(`${path}?partial=false`)).status).toBe(503);
    },
  );
});

it('shards that may not tell all that they have are left out, and named', async () => {
  const terse = await startCluster(2, {}, { maxAnswerRows: 20 });
  try {
    await load(data, terse.shards);
    for (const path of ['/api/v1/summary?last=1d', '/api/v1/anomalies?last=4h&baseline=8h']) {
      const { status, body } = await terse.query.get(path);
      expect(status).toBe(200);
      expect(body).toMatchObject({ partial: true, shards: { total: 2, ok: 0 } });
    }
  } finally {
    await terse.stop();
  }
});
