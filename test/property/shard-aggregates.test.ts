import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareUtf8 } from '../../src/query/merge/key-order.ts';
import {
  durationsOf,
  findPercentiles,
  narrowPercentile,
  type PercentileStep,
  pickPercentile,
} from '../../src/query/merge/percentile.ts';
import type {
  DurationBucket,
  DurationValue,
  GroupCount,
  ServiceState,
  ShardReadName,
  ShardReadRequest,
  SpanTotals,
} from '../../src/shared/read/contract.ts';
import { durationSets, sortedIndex } from '../support/durations.ts';
import { openReaders, type ReadTestShard } from '../support/read-shards.ts';
import { replaceAllSpans, type StoredSpan } from '../support/stored-spans.ts';

/*
 * The states of several shards, merged as the query proxy merges them, against plain computation over all rows. A trace
 * is on one shard, but for those of the slots that moved, which may be on several.
 */

const SHARDS = 3;
const AS_OF = 3n;
const LAST_COMMIT = 5n;
const MOVED: [number, number][] = [
  [2, 3],
  [7, 7],
];
const PS = [0, 0.5, 0.95, 1];

let shards: readonly ReadTestShard[];
beforeAll(async () => {
  shards = await openReaders(SHARDS);
});
afterAll(() => Promise.all(shards.map(shard => shard.remove())));

interface Placed {
  readonly span: StoredSpan;
  readonly place: number;
}

const placed: fc.Arbitrary<Placed[]> = durationSets.chain(durations =>
  fc.tuple(
    ...durations.map(durationNs =>
      fc.record({
        place: fc.nat(SHARDS - 1),
        span: fc
          .record({
            traceId: fc.bigInt({ min: 1n, max: 12n }),
            service: fc.constantFrom('a', 'b', 'é', '\uffee', '😀', ''),
            operation: fc.constantFrom('get', 'put', 'Get'),
            status: fc.constantFrom('unset' as const, 'ok' as const, 'error' as const),
            startNs: fc.bigInt({ min: 0n, max: 20n }),
            commitNo: fc.bigInt({ min: 1n, max: LAST_COMMIT }),
            replacedAt: fc.option(fc.bigInt({ min: 1n, max: LAST_COMMIT }), { freq: 8 }),
          })
          .map(span => ({ ...span, durationNs, slot: Number(span.traceId) })),
      }),
    ),
  ),
);
const windows = fc.record({
  fromNs: fc.option(fc.bigInt({ min: 0n, max: 21n }).map(String), { nil: undefined }),
  toNs: fc.option(fc.bigInt({ min: 0n, max: 21n }).map(String), { nil: undefined }),
  service: fc.option(fc.constantFrom('a', '😀', 'nobody'), { nil: undefined }),
});
type Window = typeof windows extends fc.Arbitrary<infer T> ? T : never;

describe('the merged states of several shards', () => {
  it('say what one computation over all their spans says', async () => {
    await fc.assert(
      fc.asyncProperty(placed, windows, async (rows, window) => {
        await store(rows);
        const counted = rows.map(({ span }) => span).filter(span => isCounted(span, window));
        await checkTotals(counted, window);
        await checkServices(counted, window);
        await checkGroups(counted, window);
        for (const p of PS) await checkPercentiles(counted, window, p);
      }),
      { numRuns: 30 },
    );
  });
});

async function store(rows: readonly Placed[]): Promise<void> {
  const held = shards.map((_, index) => rows.filter(row => placeOf(row) === index).map(({ span }) => span));
  await Promise.all(
    shards.map(async ({ connection, forget }, index) => {
      await replaceAllSpans(connection, held[index] ?? [], LAST_COMMIT);
      forget();
    }),
  );
}

function placeOf({ span, place }: Placed): number {
  const isMoved = MOVED.some(([from, to]) => span.slot >= from && span.slot <= to);
  return isMoved ? place : span.slot % SHARDS;
}

function isCounted(span: StoredSpan, { fromNs, toNs, service }: Window): boolean {
  return (
    span.commitNo <= AS_OF &&
    (span.replacedAt === null || span.replacedAt > AS_OF) &&
    (fromNs === undefined || span.startNs >= BigInt(fromNs)) &&
    (toNs === undefined || span.startNs <= BigInt(toNs)) &&
    (service === undefined || span.service === service)
  );
}

/** The rows of all shards. */
async function ask<N extends ShardReadName, Row>(name: N, request: ShardReadRequest<N>): Promise<Row[]> {
  const answers = await Promise.all(
    shards.map(shard => shard.read(name, { ...request, asOf: String(AS_OF) })),
  );
  return answers.flatMap(({ rows }) => rows as unknown as Row[]);
}

async function keysOf<N extends ShardReadName>(
  name: N,
  request: ShardReadRequest<N>,
): Promise<(readonly string[])[]> {
  const answers = await Promise.all(
    shards.map(shard => shard.read(name, { ...request, asOf: String(AS_OF) })),
  );
  return answers.flatMap(({ keys }) => keys);
}

/** How often the traces that several shards have are counted too often. */
function repeatsIn(keys: readonly (readonly string[])[]): number {
  return keys.length - new Set(keys.map(String)).size;
}

async function checkTotals(counted: readonly StoredSpan[], window: Window): Promise<void> {
  const totals = await ask<'spanTotals', SpanTotals>('spanTotals', window);
  const moved = await keysOf('traceIds', { ...window, slots: MOVED, limit: 1000 });
  expect({
    spans: sum(totals.map(({ span_count }) => span_count)),
    errors: sum(totals.map(({ error_count }) => error_count)),
    traces: sum(totals.map(({ trace_count }) => trace_count)) - repeatsIn(moved),
    durationNs: totals.reduce((total, { duration_sum_ns }) => total + BigInt(duration_sum_ns), 0n),
    minNs: extreme(totals.flatMap(({ duration_min_ns = [] }) => duration_min_ns)).min,
    maxNs: extreme(totals.flatMap(({ duration_max_ns = [] }) => duration_max_ns)).max,
  }).toEqual({ ...stateOf(counted), ...rangeOf(counted) });
}

async function checkServices(counted: readonly StoredSpan[], window: Window): Promise<void> {
  const states = await ask<'services', ServiceState>('services', window);
  const moved = await keysOf('traceIds', { ...window, slots: MOVED, byService: true, limit: 1000 });
  const merged = [...Map.groupBy(states, ({ service }) => service)].map(([service, ofService]) => ({
    service,
    spans: sum(ofService.map(({ span_count }) => span_count)),
    errors: sum(ofService.map(({ error_count }) => error_count)),
    traces:
      sum(ofService.map(({ trace_count }) => trace_count)) -
      repeatsIn(moved.filter(([name]) => name === service)),
    durationNs: ofService.reduce((total, { duration_sum_ns }) => total + BigInt(duration_sum_ns), 0n),
  }));
  const expected = [...Map.groupBy(counted, ({ service }) => service)].map(([service, spans]) => ({
    service,
    ...stateOf(spans),
  }));
  const byName = (a: { service: string }, b: { service: string }) => compareUtf8(a.service, b.service);
  expect(merged.sort(byName)).toEqual(expected.sort(byName));
}

async function checkGroups(counted: readonly StoredSpan[], window: Window): Promise<void> {
  const groups = await ask<'groupCounts', GroupCount>('groupCounts', {
    ...window,
    of: 'spans',
    by: ['service', 'operation'],
    status: 'error',
  });
  const errors = counted.filter(({ status }) => status === 'error');
  expect(largest(groups.map(({ group, count }) => [group.join('/'), count]))).toEqual(
    largest(errors.map(({ service, operation }) => [`${service}/${operation}`, 1])),
  );
}

/** The three largest groups, equal ones by name. */
function largest(counts: readonly [string, number][]): [string, number][] {
  const totals = [...Map.groupBy(counts, ([name]) => name)].map<[string, number]>(([name, members]) => [
    name,
    sum(members.map(([, count]) => count)),
  ]);
  return totals.sort(([nameA, a], [nameB, b]) => b - a || compareUtf8(nameA, nameB)).slice(0, 3);
}

async function checkPercentiles(counted: readonly StoredSpan[], window: Window, p: number): Promise<void> {
  const overall = await ask<'durationBuckets', DurationBucket>('durationBuckets', { ...window });
  const expected = sortedIndex(
    counted.map(({ durationNs }) => durationNs),
    p,
  );
  expect(await search(firstStep(overall, p), window)).toBe(expected);

  const byService = await ask<'durationBuckets', DurationBucket>('durationBuckets', {
    ...window,
    byService: true,
    scale: 0,
  });
  for (const [service, spans] of Map.groupBy(counted, span => span.service)) {
    const first = firstStep(
      byService.filter(bucket => bucket.service === service),
      p,
    );
    const durations = spans.map(({ durationNs }) => durationNs);
    expect(await search(first, { ...window, of: service })).toBe(sortedIndex(durations, p));
  }
}

/** Small, so that ranges are cut and listed. */
const FEW = 3;
const PARTS = 5;
function firstStep(buckets: readonly DurationBucket[], p: number): PercentileStep {
  return findPercentiles(buckets.map(durationsOf), [p], FEW)[0] as PercentileStep;
}

/** So many halvings leave nothing of 64 bits. */
const MOST_ROUNDS = 64;

async function search(
  first: PercentileStep,
  { of, ...window }: Window & { of?: string },
): Promise<bigint | undefined> {
  let step = first;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    if (step.kind === 'empty') return undefined;
    if (step.kind === 'found') return step.valueNs;
    const { minNs, maxNs } = step.range;
    const range = { minNs: String(minNs), maxNs: String(maxNs), ...(of !== undefined && { service: of }) };
    const request = { ...window, ranges: [range] };
    if (step.kind === 'list') {
      const values = await ask<'durationValues', DurationValue>('durationValues', request);
      return pickPercentile(step.range, values.map(durationsOf));
    }
    const parts = await ask<'durationBuckets', DurationBucket>('durationBuckets', {
      ...request,
      parts: PARTS,
    });
    step = narrowPercentile(step.range, parts.map(durationsOf), FEW);
  }
  throw new Error('the search does not end');
}

function stateOf(spans: readonly StoredSpan[]) {
  return {
    spans: spans.length,
    errors: spans.filter(({ status }) => status === 'error').length,
    traces: new Set(spans.map(({ traceId }) => traceId)).size,
    durationNs: spans.reduce((total, { durationNs }) => total + durationNs, 0n),
  };
}

function rangeOf(spans: readonly StoredSpan[]) {
  const { min, max } = extreme(spans.map(({ durationNs }) => String(durationNs)));
  return { minNs: min, maxNs: max };
}

function extreme(digits: readonly string[]): { min: bigint | undefined; max: bigint | undefined } {
  const sorted = digits.map(BigInt).sort((a, b) => (a < b ? -1 : Number(a > b)));
  return { min: sorted[0], max: sorted.at(-1) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
