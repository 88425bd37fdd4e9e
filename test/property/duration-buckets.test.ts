import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nanosKey, signedKey } from '../../src/shared/read/ndjson.ts';
import { durationSets } from '../support/durations.ts';
import { openReaders, type ReadTestShard } from '../support/read-shards.ts';
import { replaceAllSpans, type StoredSpan } from '../support/stored-spans.ts';

const RUNS = { numRuns: 60 };
const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

let shard: ReadTestShard;
beforeAll(async () => {
  [shard] = (await openReaders(1)) as [ReadTestShard];
});
afterAll(() => shard.remove());

const SERVICES = ['a', 'b'] as const;

interface Range {
  readonly service?: string;
  readonly minNs: bigint;
  readonly maxNs: bigint;
}

const bound = fc.oneof(
  fc.constantFrom(MIN, MIN + 1n, -1n, 0n, 1n, MAX - 1n, MAX, -(10n ** 38n), 10n ** 38n),
  fc.bigInt({ min: MIN, max: MAX }),
  fc.bigInt({ min: -1000n, max: 1000n }),
);
const range: fc.Arbitrary<Range> = fc
  .tuple(bound, bound, fc.option(fc.constantFrom(...SERVICES), { nil: undefined }))
  .map(([a, b, service]) => ({
    ...(a < b ? { minNs: a, maxNs: b } : { minNs: b, maxNs: a }),
    ...(service !== undefined && { service }),
  }));
const ranges = fc.array(range, { minLength: 1, maxLength: 4 });
const WHOLE: Range = { minNs: MIN, maxNs: MAX };

/** Services alternate. */
async function store(durations: readonly bigint[]): Promise<readonly StoredSpan[]> {
  const spans = durations.map<StoredSpan>((durationNs, index) => ({
    traceId: BigInt(index),
    slot: 0,
    service: SERVICES[index % 2] as string,
    operation: 'op',
    status: 'unset',
    startNs: 1n,
    durationNs,
    commitNo: 1n,
    replacedAt: null,
  }));
  await replaceAllSpans(shard.connection, spans, 1n);
  return spans;
}

describe('duration buckets', () => {
  it('hold every duration once and follow each other in the order of their values', async () => {
    await fc.assert(
      fc.asyncProperty(durationSets, fc.nat(8), async (durations, scale) => {
        await store(durations);
        const { keys, rows } = await shard.read('durationBuckets', { scale });
        const sorted = durations.toSorted(byValue);
        for (const { count, min_ns, max_ns } of rows) {
          const members = sorted.splice(0, count as number);
          expect([String(members[0]), String(members.at(-1))]).toEqual([min_ns, max_ns]);
        }
        expect(sorted).toEqual([]);
        expect(keys.map(String)).toEqual(keys.map(String).toSorted());
      }),
      RUNS,
    );
  });

  it('are at most a bucket of the scale wide, and the one of zero is its own', async () => {
    await store([-3n, -2n, -1n, 0n, 0n, 1n, 2n, 3n, 4n, 1000n, 1023n, 1024n]);
    const { rows } = await shard.read('durationBuckets', { scale: 0 });
    expect(rows).toEqual(
      [
        ['-3', '-2', 2],
        ['-1', '-1', 1],
        ['0', '0', 2],
        ['1', '1', 1],
        ['2', '3', 2],
        ['4', '4', 1],
        ['1000', '1023', 2],
        ['1024', '1024', 1],
      ].map(([min_ns, max_ns, count]) => ({ count, min_ns, max_ns })),
    );
  });

  it('cut ranges into parts of equal width, over all of 64 bits', async () => {
    await fc.assert(
      fc.asyncProperty(
        durationSets,
        ranges,
        fc.integer({ min: 2, max: 300 }),
        async (durations, cut, parts) => {
          const spans = await store(durations);
          for (const asked of [cut, [WHOLE, ...cut]]) {
            const { keys, rows } = await shard.read('durationBuckets', { ranges: asked.map(textual), parts });
            const expected = asked.flatMap((each, index) => partsOf(spans, each, { index, parts }));
            expect(keys).toEqual(expected.map(({ key }) => key));
            expect(rows).toEqual(expected.map(({ row }) => row));
          }
        },
      ),
      RUNS,
    );
  });
});

describe('duration values', () => {
  it('are the distinct durations of each range, with how often each occurs', async () => {
    await fc.assert(
      fc.asyncProperty(durationSets, ranges, async (durations, asked) => {
        const spans = await store(durations);
        const { keys, rows } = await shard.read('durationValues', { ranges: asked.map(textual) });
        const expected = asked.flatMap((each, index) =>
          [...Map.groupBy(inside(spans, each), duration => duration)].map(([value, { length }]) => ({
            key: [nanosKey(BigInt(index)), signedKey(value)],
            row: { range: index, value_ns: String(value), count: length },
          })),
        );
        expect(keys).toEqual(expected.map(({ key }) => key));
        expect(rows).toEqual(expected.map(({ row }) => row));
      }),
      RUNS,
    );
  });
});

function textual({ minNs, maxNs, ...rest }: Range) {
  return { ...rest, minNs: String(minNs), maxNs: String(maxNs) };
}

function inside(spans: readonly StoredSpan[], { service, minNs, maxNs }: Range): readonly bigint[] {
  return spans
    .filter(span => service === undefined || span.service === service)
    .map(({ durationNs }) => durationNs)
    .filter(duration => duration >= minNs && duration <= maxNs)
    .sort(byValue);
}

function partsOf(
  spans: readonly StoredSpan[],
  each: Range,
  { index, parts }: { index: number; parts: number },
) {
  const minNs = each.minNs < MIN ? MIN : each.minNs;
  const maxNs = each.maxNs > MAX ? MAX : each.maxNs;
  const width = (maxNs - minNs) / BigInt(parts) + 1n;
  const cut = Map.groupBy(inside(spans, each), duration => (duration - minNs) / width);
  return [...cut].map(([part, members]) => ({
    key: ['', nanosKey(BigInt(index)), nanosKey(part)],
    row: {
      range: index,
      count: members.length,
      min_ns: String(members[0]),
      max_ns: String(members.at(-1)),
    },
  }));
}

function byValue(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}
