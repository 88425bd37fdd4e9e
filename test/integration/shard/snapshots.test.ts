import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ShardReadName, ShardReadRequest } from '../../../src/shared/read/contract.ts';
import { attribute, logsOf, metricsOf, spanId, traceId, tracesOf } from '../../support/otlp-samples.ts';
import { openReaders, type ReadTestShard } from '../../support/read-shards.ts';
import { postWrite } from '../../support/shard-writes.ts';
import { postRead, postSnapshot, startTestShard, type TestShard } from '../../support/test-shard.ts';

const SLOTS: [number, number][] = [[0, 16_383]];
const ranges = [{ minNs: '-10', maxNs: '10' }];

/** Every read, as wide as it goes. */
const READS: { readonly [N in ShardReadName]: ShardReadRequest<N> } = {
  spans: { limit: 100 },
  trace: { traceId: traceId('a') },
  logs: { limit: 100 },
  metrics: { limit: 100 },
  comments: { limit: 100 },
  services: {},
  spanTotals: {},
  spanSlots: {},
  traceIds: { slots: SLOTS, byService: true, limit: 100 },
  traceTerms: { text: 'prompt', slots: SLOTS },
  durationBuckets: { byService: true },
  durationValues: { ranges },
  groupCounts: { of: 'spans', by: ['service', 'operation', 'status', 'kind'] },
  holdings: {},
};
const NAMES = Object.keys(READS) as (keyof typeof READS)[];

const PROMPT = [attribute('gen_ai.system', 'x'), attribute('gen_ai.prompt', 'a prompt')];

/** Spans that were there before, in part, and records that were not. */
async function write(shard: TestShard, round: number): Promise<void> {
  const spans = [
    { trace: 'a', span: 1, start: 100 + round, durationNs: round },
    { trace: round, span: 2, start: 200, durationNs: 3, status: 2, attributes: PROMPT },
  ];
  const stored = [
    await shard.send('traces', tracesOf(round % 2 === 0 ? 'shop' : 'billing', spans)),
    await shard.send('logs', logsOf('shop', [{ timeUnixNano: String(round), body: { stringValue: 'x' } }])),
    await shard.send(
      'metrics',
      metricsOf('shop', [
        { name: 'm', gauge: { dataPoints: [{ timeUnixNano: '5', asInt: String(round) }] } },
      ]),
    ),
  ];
  expect(stored.map(({ status }) => status)).toEqual([200, 200, 200]);
  const about = { traceId: traceId('a'), author: 'ann', body: String(round), createdNs: '7' };
  const comment = await postWrite(shard.readUrl, 'comment', { id: `c${round}`, ...about });
  const runnerSpan = await postWrite(shard.readUrl, 'runnerSpan', {
    id: `r${round}`,
    traceId: traceId('run'),
    spanId: spanId(1),
    startNs: String(300 + round),
    endNs: String(304),
    status: 'ok',
    attributes: {},
  });
  expect([comment.status, runnerSpan.status]).toEqual([200, 200]);
}

describe('a snapshot', () => {
  let shard: TestShard;
  beforeAll(async () => {
    shard = await startTestShard();
    await write(shard, 1);
    await write(shard, 2);
  });
  afterAll(() => shard.remove());

  const text = async (name: ShardReadName, request: object) => {
    const response = await postRead(shard.readUrl, name, request);
    expect(response.status).toBe(200);
    return response.text();
  };

  it.each(NAMES)('gives %s as they were, whatever was committed since', async name => {
    const before = await text(name, READS[name]);
    const { asOf } = (await shard.read(name, READS[name])).trailer;
    await write(shard, 3);
    expect(await text(name, READS[name])).not.toBe(before);
    expect(await text(name, { ...READS[name], asOf })).toBe(before);
  });

  it('D12: shows a span that was sent again with another start once, in its last commit by then', async () => {
    const { asOf } = (await shard.read('holdings', {})).trailer;
    const starts = async (request: Partial<ShardReadRequest<'spans'>>) =>
      (await shard.read('spans', { limit: 100, operation: 'twice', ...request })).rows.map(
        row => row.start_time,
      );
    const sent = { trace: 'twice', span: 1, name: 'twice' };
    await shard.send('traces', tracesOf('shop', [{ ...sent, start: 1_000_000 }]));
    const first = (await shard.read('holdings', {})).trailer.asOf;
    await shard.send('traces', tracesOf('shop', [{ ...sent, start: 2_000_000 }]));
    expect(await starts({ asOf })).toEqual([]);
    expect(await starts({ asOf: first })).toEqual(['1970-01-01T00:00:00.001Z']);
    expect(await starts({})).toEqual(['1970-01-01T00:00:00.002Z']);
    const inTrace = async (at?: string) =>
      (await shard.read('trace', { traceId: traceId('twice'), ...(at !== undefined && { asOf: at }) })).rows
        .length;
    expect([await inTrace(asOf), await inTrace(first), await inTrace()]).toEqual([0, 1, 1]);
    expect((await shard.read('spanTotals', { fromNs: '1000000' })).rows[0]).toMatchObject({ span_count: 2 });
  });

  it('answers several reads at one commit', async () => {
    const reads = NAMES.map(name => ({ name, request: READS[name] }));
    const parts = await Promise.all(NAMES.map(name => text(name, READS[name])));
    const { asOf } = (await shard.read('holdings', {})).trailer;
    const response = await postSnapshot(shard.readUrl, { reads });
    expect(await response.text()).toBe(parts.join(''));
    await write(shard, 4);
    const again = await postSnapshot(shard.readUrl, { asOf, reads });
    expect(await again.text()).toBe(parts.join(''));
  });

  it.each<[string, object, number, RegExp]>([
    ['without reads', { reads: [] }, 400, /^reads: /],
    ['with an unknown read', { reads: [{ name: 'x', request: {} }] }, 404, /^reads.0: no read is called x/],
    [
      'with a request that does not fit',
      {
        reads: [
          { name: 'holdings', request: {} },
          { name: 'logs', request: {} },
        ],
      },
      400,
      /^reads.1: limit: /,
    ],
    [
      'with a commit for one read only',
      { reads: [{ name: 'holdings', request: { asOf: '1' } }] },
      400,
      /^reads.0.request.asOf: /,
    ],
  ])('%s is refused', async (_what, body, status, message) => {
    const response = await postSnapshot(shard.readUrl, body);
    expect(response.status).toBe(status);
    expect(((await response.json()) as { error: string }).error).toMatch(message);
  });

  it('of a commit that the shard never had is gone', async () => {
    const response = await postRead(shard.readUrl, 'holdings', { asOf: '99999' });
    expect(response.status).toBe(410);
    expect(await response.json()).toMatchObject({ kind: 'snapshot-gone', error: /no commit 99999/ });
  });
});

describe('after retention', () => {
  let shard: ReadTestShard;
  beforeAll(async () => {
    [shard] = (await openReaders(1)) as [ReadTestShard];
    await shard.connection.run(`
      INSERT INTO store.commits (commit_no, stored_at_ms, spans, logs, metrics) VALUES (20, 0, 0, 0, 0);
      INSERT INTO store.floors (set_by_commit, floor_commit, spans_to_ns, logs_to_ns) VALUES
        (10, 4, 500, 300), (15, 5, 100, NULL)`);
  });
  afterAll(() => shard.remove());

  let refusal: string | undefined;
  beforeEach(() => {
    refusal = undefined;
  });
  const isGone = async <N extends ShardReadName>(name: N, request: ShardReadRequest<N>) => {
    refusal = await shard.read(name, request).then(
      () => undefined,
      (error: Error) => error.message,
    );
    return refusal !== undefined;
  };

  it('a snapshot from before is gone when it showed rows that were deleted', async () => {
    expect(await isGone('spanTotals', { asOf: '9' })).toBe(true);
    expect(refusal).toBe('retention has deleted records since commit 9 was read');
    expect(await isGone('logs', { asOf: '9', limit: 1 })).toBe(true);
    expect(await isGone('groupCounts', { asOf: '9', of: 'logs', by: ['severity'] })).toBe(true);
    expect(await isGone('holdings', { asOf: '9' })).toBe(true);
  });

  it('it is not gone for records of which none were deleted', async () => {
    expect(await isGone('metrics', { asOf: '9', limit: 1 })).toBe(false);
    expect(await isGone('logs', { asOf: '12', limit: 1 })).toBe(false);
  });

  it('it is not gone for a window that begins after all that was deleted', async () => {
    expect(await isGone('spanTotals', { asOf: '9', fromNs: '500' })).toBe(true);
    expect(await isGone('spanTotals', { asOf: '9', fromNs: '501' })).toBe(false);
    expect(await isGone('spanTotals', { asOf: '10', fromNs: '101' })).toBe(false);
    expect(await isGone('logs', { asOf: '9', fromNs: '301', limit: 1 })).toBe(false);
  });

  it('it is gone for a text, which may have been in a span of the trace from before the window', async () => {
    expect(await isGone('spans', { asOf: '9', fromNs: '501', limit: 1 })).toBe(false);
    expect(await isGone('spans', { asOf: '9', fromNs: '501', limit: 1, text: 'a' })).toBe(true);
    expect(await isGone('spans', { asOf: '15', fromNs: '501', limit: 1, text: 'a' })).toBe(false);
  });

  it('one from after the last deletion stays', async () => {
    expect(await isGone('spanTotals', { asOf: '14' })).toBe(true);
    expect(await isGone('spanTotals', { asOf: '15' })).toBe(false);
    expect(await isGone('spanTotals', {})).toBe(false);
  });
});
