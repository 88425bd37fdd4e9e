import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { countDurations, type DurationCounts } from '../../src/shard/reads/duration-counts.ts';
import { createDurationSegments } from '../../src/shard/reads/duration-segments.ts';
import { type BareCommits, type BareSpan, bareCommits } from '../support/bare-commits.ts';
import { openReaders, type ReadTestShard } from '../support/read-shards.ts';

let shard: ReadTestShard;
beforeAll(async () => {
  [shard] = (await openReaders(1)) as [ReadTestShard];
});
afterAll(() => shard.remove());

const span = fc.record({
  service: fc.constantFrom('', 'a', 'é'),
  /** Against the commit before, so that windows cut through commits. */
  laterNs: fc.integer({ min: -3, max: 3 }),
  durationNs: fc.oneof(fc.integer({ min: -5, max: 5 }), fc.integer({ min: 1, max: 1_000_000 })),
});
const read = fc.record({
  kind: fc.constant('read' as const),
  commitsAgo: fc.nat({ max: 2 }),
  scale: fc.constantFrom(0, 3),
  byService: fc.boolean(),
  fromNs: fc.option(fc.nat({ max: 60 }), { nil: undefined }),
  toNs: fc.option(fc.nat({ max: 60 }), { nil: undefined }),
  most: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
});
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      spans: fc.array(span, { minLength: 0, maxLength: 4 }),
    }),
  },
  { weight: 5, arbitrary: read },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('retain' as const), keep: fc.integer({ min: 1, max: 12 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('replace' as const), id: fc.integer({ min: 1, max: 60 }) }),
  },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const EVERYTHING: Step = {
  kind: 'read',
  commitsAgo: 0,
  scale: 0,
  byService: false,
  fromNs: undefined,
  toNs: undefined,
  most: undefined,
};
const one = { kind: 'commit' as const, spans: [{ service: 'a' as const, laterNs: 0, durationNs: 4 }] };

/** What was counted in a segment is replaced, and again after it was counted once more. */
const REPLACED: Step[] = [
  one,
  one,
  one,
  EVERYTHING,
  EVERYTHING,
  { kind: 'replace', id: 1 },
  EVERYTHING,
  { kind: 'replace', id: 2 },
];

/** Somebody reads at the commit before a replacement that what is kept has seen. */
const BEFORE_REPLACED: Step[] = [
  one,
  one,
  one,
  EVERYTHING,
  { kind: 'replace', id: 1 },
  EVERYTHING,
  { ...EVERYTHING, commitsAgo: 1 },
];

/** Retention takes one of the two commits of a segment. */
const CUT: Step[] = [one, one, one, one, one, EVERYTHING, EVERYTHING, { kind: 'retain', keep: 4 }];

interface NamedSpan {
  readonly service: string;
  readonly laterNs: number;
  readonly durationNs: number;
}

/** As the next commit is to have them; spans are numbered. */
function spansOf(commits: BareCommits, firstId: number, spans: readonly NamedSpan[]): readonly BareSpan[] {
  return spans.map(({ service, laterNs, durationNs }, index) => ({
    spanId: firstId + index,
    service,
    startNs: Math.max(0, commits.last + 1 + laterNs),
    durationNs,
  }));
}

function plain(counts: DurationCounts) {
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([service, buckets]) =>
      [...buckets].sort(([a], [b]) => a - b).map(([bucket, count]) => ({ service, bucket, ...count })),
    );
}

it('what is kept of durations is what a scan counts, whatever came, went or was replaced', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
      fc.record({
        segmentSpans: fc.integer({ min: 1, max: 8 }),
        joined: fc.integer({ min: 2, max: 3 }),
        mostBuckets: fc.integer({ min: 1, max: 30 }),
      }),
      async (steps, sizes) => {
        const commits = await bareCommits(shard.connection);
        const segments = createDurationSegments(sizes);
        let lastId = 0;
        for (const each of [...steps, EVERYTHING]) {
          switch (each.kind) {
            case 'commit':
              await commits.add(spansOf(commits, lastId + 1, each.spans));
              lastId += each.spans.length;
              break;
            case 'retain':
              await commits.retain(each.keep);
              break;
            case 'replace': {
              const [by] = spansOf(commits, ++lastId, [{ service: 'a', laterNs: 0, durationNs: 7 }]);
              await commits.replace(`span_id = ${each.id}`, by as BareSpan);
              break;
            }
            case 'read': {
              const asOf = BigInt(Math.max(commits.last - each.commitsAgo, commits.floor));
              const context = { connection: shard.connection, asOf };
              const { scale, byService } = each;
              const question = {
                scale,
                byService,
                fromNs: each.fromNs?.toString(),
                toNs: each.toNs?.toString(),
              };
              const kept = await segments.count(context, { ...question, most: each.most });
              const { counts } = await countDurations(context, question, [{ after: 0n, upTo: asOf }]);
              expect(plain(kept).slice(0, each.most)).toEqual(plain(counts).slice(0, each.most));
              break;
            }
          }
        }
      },
    ),
    {
      numRuns: 40,
      examples: [
        [REPLACED, { segmentSpans: 1, joined: 2, mostBuckets: 9 }],
        [BEFORE_REPLACED, { segmentSpans: 1, joined: 2, mostBuckets: 9 }],
        [CUT, { segmentSpans: 2, joined: 2, mostBuckets: 9 }],
      ],
    },
  );
}, 120_000);

it('what was counted is not gone through again', async () => {
  const commits = await bareCommits(shard.connection);
  const segments = createDurationSegments({ segmentSpans: 1, joined: 2, mostBuckets: 9 });
  const of = async (asOf: bigint, window = {}) => {
    const context = { connection: shard.connection, asOf };
    const counts = await segments.count(context, { scale: 0, byService: false, ...window });
    return [...(counts.get('') ?? [])].map(([, { count }]) => count);
  };
  for (const id of [1, 2, 3, 4, 5, 6, 7]) await commits.add(spansOf(commits, id, one.spans));
  // The first question of a grouping leaves nothing, the second one does.
  for (let times = 1; times <= 2; times++) expect(await of(7n)).toEqual([7]);
  // Behind its back, so that it shows.
  await shard.connection.run('DELETE FROM store.spans WHERE commit_no <= 6');
  expect(await of(7n)).toEqual([7]);
  expect(await of(7n, { fromNs: '5' })).toEqual([3]);
  // Commits 1 to 4 are joined by now, so the end of the window is looked for in the table.
  expect(await of(7n, { fromNs: '3' })).toEqual([3]);
});
