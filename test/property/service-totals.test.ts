import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { countedSpans } from '../../src/shard/reads/counted.ts';
import { createServiceTotals } from '../../src/shard/reads/service-totals.ts';
import { createParameters } from '../../src/shard/reads/where.ts';
import { type BareCommits, type BareSpan, bareCommits } from '../support/bare-commits.ts';
import { openReaders, type ReadTestShard } from '../support/read-shards.ts';

let shard: ReadTestShard;
beforeAll(async () => {
  [shard] = (await openReaders(1)) as [ReadTestShard];
});
afterAll(() => shard.remove());

/** Few traces and services, so that they meet again in other commits. */
const span = fc.record({ trace: fc.integer({ min: 1, max: 5 }), service: fc.constantFrom('a', 'é') });
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      spans: fc.array(span, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), commitsAgo: fc.nat({ max: 1 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('retain' as const), keep: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('stop and start', 'kill and start') }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('replace' as const), trace: fc.integer({ min: 1, max: 40 }) }),
  },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Retention cuts a segment, and a trace in what is left of it goes on in the next one. */
const CUT_IN_THE_MIDDLE: Step[] = [
  { kind: 'commit', spans: [{ trace: 1, service: 'a' }] },
  { kind: 'commit', spans: [{ trace: 2, service: 'a' }] },
  { kind: 'read', commitsAgo: 0 },
  {
    kind: 'commit',
    spans: [1, 2, 3].map(trace => ({ trace, service: 'a' })),
  },
  { kind: 'read', commitsAgo: 0 },
  { kind: 'retain', keep: 2 },
];

/** A trace goes on after the stop, and retention cuts what was counted before it. */
const STOPPED: Step[] = [
  { kind: 'commit', spans: [{ trace: 1, service: 'a' }] },
  { kind: 'commit', spans: [{ trace: 2, service: 'a' }] },
  { kind: 'read', commitsAgo: 0 },
  { kind: 'stop and start' },
  { kind: 'commit', spans: [{ trace: 1, service: 'a' }] },
  { kind: 'retain', keep: 3 },
  { kind: 'read', commitsAgo: 1 },
];

/** As the next commit is to have them. */
function spansOf(commits: BareCommits, spans: readonly { trace: number; service: string }[]): BareSpan[] {
  const commitNo = commits.last + 1;
  return spans.map(({ trace, service }, index) => ({
    traceId: trace,
    spanId: commitNo * 10 + index,
    service,
    durationNs: commitNo + index,
    status: index % 3 === 0 ? 'error' : 'ok',
  }));
}

async function scanned(asOf: bigint): Promise<unknown[]> {
  const parameters = createParameters();
  const result = await shard.connection.runAndReadAll(
    `SELECT service, count(*), count(*) FILTER (status = 'error'), sum(duration_ns), min(duration_ns), max(duration_ns),
       count(DISTINCT trace_id)
     FROM store.spans WHERE ${countedSpans({}, asOf, parameters)}
     GROUP BY GROUPING SETS ((service), ()) HAVING count(*) > 0`,
  );
  return result.getRows().map(row => row.map(String));
}

it('what is kept of services, and of all together, is what a scan counts, whatever came, went, was replaced or was stopped', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
      fc.integer({ min: 1, max: 10 }),
      async (steps, segmentSpans) => {
        const commits = await bareCommits(shard.connection);
        let totals = createServiceTotals({ segmentSpans });
        for (const each of [...steps, { kind: 'read' as const, commitsAgo: 0 }]) {
          switch (each.kind) {
            case 'commit':
              await commits.add(spansOf(commits, each.spans));
              break;
            case 'retain':
              await commits.retain(each.keep);
              break;
            case 'stop and start':
              await totals.store(shard.connection);
              totals = createServiceTotals({ segmentSpans });
              break;
            case 'kill and start':
              totals = createServiceTotals({ segmentSpans });
              break;
            case 'replace':
              await commits.replace(
                `trace_id = ${each.trace}`,
                spansOf(commits, [{ trace: each.trace, service: 'a' }])[0] as BareSpan,
              );
              break;
            case 'read': {
              const asOf = BigInt(Math.max(commits.last - each.commitsAgo, commits.floor));
              const kept = await totals.at({ connection: shard.connection, asOf });
              const rows = [...kept]
                .filter(([, { spans }]) => spans > 0)
                .map(([service, { spans, errors, durationNs, durationRangeNs = [], traces }]) =>
                  [service, spans, errors, durationNs, ...durationRangeNs, traces].map(String),
                );
              expect(rows.sort()).toEqual((await scanned(asOf)).sort());
              break;
            }
          }
        }
      },
    ),
    {
      numRuns: 20,
      examples: [
        [CUT_IN_THE_MIDDLE, 3],
        [STOPPED, 3],
      ],
    },
  );
}, 120_000);
