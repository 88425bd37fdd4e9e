import { describe, expect, it } from 'vitest';
import { anomaliesRead } from '../../../../src/query/reads/anomalies.ts';
import { commentsRead, traceCommentsRead } from '../../../../src/query/reads/comments.ts';
import { correlateRead } from '../../../../src/query/reads/correlate.ts';
import type { Read, RowPlan } from '../../../../src/query/reads/read.ts';
import { summaryRead } from '../../../../src/query/reads/summary.ts';
import { CONTEXT, membersOf, shardReads } from '../../../support/rounds.ts';

function parse(read: Read, search: string, path: Record<string, string> = {}) {
  return read.plan({ path, search: new URLSearchParams(search) }, CONTEXT);
}

/** What an answer says of itself when no shard has anything. */
async function answered(read: Read, search: string) {
  const members = await membersOf(
    read,
    shardReads(() => []),
    { search },
  );
  return JSON.parse(`{${members}}`) as Record<string, unknown>;
}

describe('windows', () => {
  it('of a summary are an hour unless another is asked for', async () => {
    expect(await answered(summaryRead, '')).toMatchObject({ window_seconds: 3600, service_filter: null });
    expect(await answered(summaryRead, 'last=2d&service=a+b')).toMatchObject({
      window_seconds: 172_800,
      service_filter: 'a b',
    });
  });

  it('of anomalies are an hour and six times the current one', async () => {
    expect(await answered(anomaliesRead, '')).toEqual({
      current_seconds: 3600,
      baseline_seconds: 21_600,
      service_filter: null,
      anomalies: [],
    });
    expect(await answered(anomaliesRead, 'last=10m')).toMatchObject({
      current_seconds: 600,
      baseline_seconds: 3600,
    });
    expect(await answered(anomaliesRead, 'baseline=1d')).toMatchObject({ baseline_seconds: 86_400 });
  });

  it('an empty summary has every member, with zeros', async () => {
    expect(await answered(summaryRead, '')).toEqual({
      window_seconds: 3600,
      service_filter: null,
      traces: {
        span_count: 0,
        trace_count: 0,
        error_count: 0,
        error_rate: 0,
        avg_ms: 0,
        max_ms: 0,
        p50_ms: 0,
        p95_ms: 0,
        p99_ms: 0,
      },
      top_services: [],
      top_error_operations: [],
      logs: { total: 0, error: 0, warn: 0, info: 0, debug: 0 },
      metrics: { point_count: 0, unique_names: 0 },
    });
  });
});

describe('bad parameters', () => {
  it.each<[Read, string, string]>([
    [summaryRead, 'last=1w', 'bad last "1w": expected a whole number'],
    [summaryRead, 'last=1h&last=2h', 'parameter last is given more than once'],
    [anomaliesRead, 'baseline=x', 'bad baseline "x": expected a whole number'],
    [
      anomaliesRead,
      'last=2h&baseline=1h',
      'bad baseline "1h": expected a window no shorter than last, which is 7200 seconds',
    ],
    [correlateRead, '', 'parameter trace is missing: expected 32 hex digits'],
    [correlateRead, 'trace=xyz', 'bad trace "xyz": expected 32 hex digits'],
    [commentsRead, 'limit=1001', 'bad limit "1001": expected a whole number from 0 to 1000 (query.maxRows)'],
  ])('of %o are named: %s', (read, search, error) => {
    expect(parse(read, search)).toEqual({ kind: 'bad', error: expect.stringContaining(error) });
  });

  it.each(['', 'a b', 'ü', 'a/b', 'x'.repeat(129), '..%2F'])(
    'H5: comments are not on a trace called %j',
    traceId => {
      const error = expect.stringContaining('expected 1 to 128 of A-Z a-z 0-9 . _ : -');
      expect(parse(traceCommentsRead, '', { traceId })).toEqual({ kind: 'bad', error });
    },
  );
});

describe('comments', () => {
  it.each([
    ['run:1.a_b-C', 'run:1.a_b-C'],
    ['0AF7651916CD43DD8448EB211C80319C', '0af7651916cd43dd8448eb211c80319c'],
    ['..', '..'],
    ['x'.repeat(128), 'x'.repeat(128)],
  ])('on a trace called %s are those on %s', (traceId, asked) => {
    const plan = parse(traceCommentsRead, '', { traceId }) as RowPlan<'comments'>;
    expect(plan.request.traceIds).toEqual([asked]);
  });

  it('are a thousand unless another number is asked for', () => {
    expect(parse(commentsRead, '')).toMatchObject({
      limit: 1000,
      request: { limit: 1000, newestFirst: true },
    });
    expect(parse(commentsRead, 'limit=0')).toMatchObject({ limit: 0 });
  });
});
