import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ShardReadName, ShardReadRequest } from '../../../src/shared/read/contract.ts';
import type { CommentRow, MetricRow, SpanRow } from '../../../src/shared/read/model.ts';
import { attribute, traceId, tracesOf } from '../../support/otlp-samples.ts';
import { postWrite } from '../../support/shard-writes.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

/*
 * Evals are not stored, they are derived (contract §1.5) from what a shard's reads give. Here they are derived as a
 * query proxy would, from pages, to show that the reads suffice.
 */

const SECOND_NS = 1_000_000_000n;
const BEGIN_NS = 1_700_000_000n * SECOND_NS;
const PAGE_ROWS = 2;

let shard: TestShard;
let writes = 0;

beforeAll(async () => {
  shard = await startTestShard();
  await runnerSpan('case-a', { status: 'unset' });
  await runnerSpan('case-b', { status: 'unset' });
  await shard.send(
    'traces',
    tracesOf('assistant', [
      { ...at(1), trace: 'case-a', span: 'a1', attributes: evalAttributes('case-a') },
      { ...at(2), trace: 'case-a', span: 'a2', name: 'tool without eval attributes' },
      { ...at(2), trace: 'case-b', span: 'b1', attributes: evalAttributes('case-b') },
      { ...at(3), trace: 'other', span: 'o', attributes: [attribute('tael.eval.run_id', 'run')] },
    ]),
  );
  await score('case-a', { metric: 'correctness', value: 0.25, second: 4 });
  await score('case-a', { metric: 'cost_usd', value: 0.5, second: 4 });
  await score('case-b', { metric: 'correctness', value: 1, second: 4 });
  // The judge changed its mind, and a score that is older arrives late.
  await score('case-a', { metric: 'correctness', value: 0.75, second: 5 });
  await score('case-a', { metric: 'correctness', value: 0, second: 3 });
  await runnerSpan('case-a', { status: 'ok', seconds: 6 });
  await comment('case-b', 'looks right');
  await comment('case-a', 'flaky');
  await comment('elsewhere', 'not an eval');
});
afterAll(() => shard.remove());

const at = (second: number) => ({ start: BEGIN_NS + BigInt(second) * SECOND_NS, durationNs: SECOND_NS });
const evalAttributes = (caseId: string) => [
  attribute('tael.eval.run_id', 'run'),
  attribute('tael.eval.case_id', caseId),
];

async function write(kind: 'comment' | 'score' | 'runnerSpan', body: object): Promise<void> {
  const { status } = await postWrite(shard.readUrl, kind, { id: `w${writes++}`, ...body });
  expect(status).toBe(200);
}

function runnerSpan(caseId: string, { status, seconds = 0 }: { status: string; seconds?: number }) {
  return write('runnerSpan', {
    traceId: traceId(caseId),
    spanId: Buffer.from(`${caseId}--`).toString('hex'),
    startNs: String(BEGIN_NS),
    endNs: String(BEGIN_NS + BigInt(seconds) * SECOND_NS),
    status,
    attributes: {
      'tael.eval.run_id': 'run',
      'tael.eval.case_id': caseId,
      'tael.eval.case_count': '2',
      'tael.eval.role': 'runner',
    },
  });
}

function score(caseId: string, { metric, value, second }: { metric: string; value: number; second: number }) {
  const timeNs = String(BEGIN_NS + BigInt(second) * SECOND_NS);
  return write('score', { timeNs, value, attributes: { run_id: 'run', case_id: caseId, metric } });
}

function comment(trace: string, body: string) {
  return write('comment', { traceId: traceId(trace), author: 'me', body, createdNs: String(BEGIN_NS) });
}

/** Every row of a read, page by page, all pages of the snapshot of the first. */
async function everyRow<N extends ShardReadName>(name: N, request: ShardReadRequest<N>): Promise<unknown[]> {
  const rows: unknown[] = [];
  let next: object = {};
  for (;;) {
    const page = await shard.read(name, { ...request, ...next, limit: PAGE_ROWS + 1 });
    // A page starts at the key that the one before ended with, which no other row of these has.
    if (rows.length > 0) expect(page.rows[0]).toEqual(rows.at(-1));
    rows.push(...page.rows.slice(rows.length > 0 ? 1 : 0));
    if (page.rows.length <= PAGE_ROWS) return rows;
    next = { startAt: page.keys.at(-1), asOf: page.trailer.asOf };
  }
}

/** What the cases of a run look like in the reads. */
async function casesOf(runId: string): Promise<Record<string, object>> {
  const spans = (await everyRow('spans', {
    attributes: [['tael.eval.run_id', runId]],
    attributeKeys: ['tael.eval.case_id'],
    limit: 0,
  })) as SpanRow[];
  const points = (await everyRow('metrics', {
    name: 'tael_eval_score',
    attributes: [['run_id', runId]],
    limit: 0,
  })) as MetricRow[];
  const traceIds = [...new Set(spans.map(span => span.trace_id))];
  const comments = (await everyRow('comments', { traceIds, limit: 0 })) as CommentRow[];

  const cases: Record<string, object> = {};
  for (const [caseId = '', ofCase] of Map.groupBy(spans, span => span.attributes['tael.eval.case_id'])) {
    const scores: Record<string, number | null> = {};
    // Newest first, so the first of a metric is its score.
    for (const point of points) {
      const { case_id, metric = '' } = point.attributes;
      if (case_id === caseId && !(metric in scores)) scores[metric] = point.value;
    }
    const trace = ofCase[0]?.trace_id;
    cases[caseId] = {
      trace_id: trace,
      started_at: ofCase.map(span => span.start_time).toSorted()[0],
      duration_ms: Math.max(...ofCase.map(span => span.duration_ms)),
      case_count: Math.max(...ofCase.map(span => Number(span.attributes['tael.eval.case_count'] ?? 0))),
      has_ended: ofCase.some(
        span => span.attributes['tael.eval.role'] === 'runner' && span.status !== 'unset',
      ),
      spans: ofCase.length,
      scores,
      comments: comments.filter(each => each.trace_id === trace).map(each => each.body),
    };
  }
  return cases;
}

describe('eval runs', () => {
  it('can be derived from the reads of spans, metrics and comments', async () => {
    expect(await casesOf('run')).toEqual({
      'case-a': {
        trace_id: traceId('case-a'),
        started_at: '2023-11-14T22:13:20Z',
        duration_ms: 6000,
        case_count: 2,
        has_ended: true,
        spans: 2,
        scores: { correctness: 0.75, cost_usd: 0.5 },
        comments: ['flaky'],
      },
      'case-b': {
        trace_id: traceId('case-b'),
        started_at: '2023-11-14T22:13:20Z',
        duration_ms: 1000,
        case_count: 2,
        has_ended: false,
        spans: 2,
        scores: { correctness: 1 },
        comments: ['looks right'],
      },
    });
  });

  it('of another name have nothing', async () => {
    expect(await casesOf('ru')).toEqual({});
  });
});
