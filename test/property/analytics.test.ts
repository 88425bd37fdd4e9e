import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anomaliesRead } from '../../src/query/reads/anomalies.ts';
import { servicesRead } from '../../src/query/reads/services.ts';
import { summaryRead } from '../../src/query/reads/summary.ts';
import { sortedIndex } from '../support/durations.ts';
import { openReaders, type ReadTestShard } from '../support/read-shards.ts';
import { CONTEXT, fromDatabases, membersOf, shardReads } from '../support/rounds.ts';
import { replaceAllSpans, type StoredSpan } from '../support/stored-spans.ts';

/*
 * Summary, anomalies and services over three shards, against one shard that has everything. A trace is on one shard,
 * but for those of the slots that moved, which may be on several.
 */

const SHARDS = 3;
const MOVED: [number, number][] = [
  [2, 3],
  [7, 7],
];
const NANOS_PER_HOUR = 3_600_000_000_000n;
const NANOS_PER_MS = 1_000_000n;

const SERVICES = ['a', 'b', 'é', '\uffee', '😀', ...'cdefghi'];

let shards: readonly ReadTestShard[];
let whole: ReadTestShard;
beforeAll(async () => {
  shards = await openReaders(SHARDS + 1);
  whole = shards[SHARDS] as ReadTestShard;
  shards = shards.slice(0, SHARDS);
});
afterAll(() => Promise.all([...shards, whole].map(shard => shard.remove())));

interface Placed {
  readonly span: StoredSpan;
  readonly place: number;
}

/** Few services, so that some have enough spans for an anomaly; durations around its thresholds. */
const placed: fc.Arbitrary<Placed> = fc
  .record({
    place: fc.nat(SHARDS - 1),
    traceId: fc.bigInt({ min: 1n, max: 12n }),
    service: fc.constantFrom(...SERVICES),
    operation: fc.constantFrom('get', 'put'),
    status: fc.constantFrom('unset' as const, 'ok' as const, 'error' as const),
    hoursAgo: fc.constantFrom(0n, 0n, 2n, 5n, 7n),
    durationNs: fc.oneof(
      fc.bigInt({ min: 40n, max: 400n }).map(ms => ms * NANOS_PER_MS),
      fc.bigInt({ min: -5n, max: 5n }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    ),
  })
  .map(({ place, hoursAgo, ...span }) => ({
    place,
    span: {
      ...span,
      slot: Number(span.traceId),
      startNs: CONTEXT.nowNs - hoursAgo * NANOS_PER_HOUR,
      commitNo: 1n,
      replacedAt: null,
    },
  }));

async function store(rows: readonly Placed[]): Promise<void> {
  for (const shard of [...shards, whole]) shard.forget();
  const held = shards.map((_, index) => rows.filter(row => placeOf(row) === index).map(({ span }) => span));
  await Promise.all([
    ...shards.map(({ connection }, index) => replaceAllSpans(connection, held[index] ?? [], 1n)),
    replaceAllSpans(
      whole.connection,
      rows.map(({ span }) => span),
      1n,
    ),
  ]);
}

function placeOf({ span, place }: Placed): number {
  const isMoved = MOVED.some(([from, to]) => span.slot >= from && span.slot <= to);
  return isMoved ? place : span.slot % SHARDS;
}

const SEARCHES = [
  [summaryRead, 'last=6h'],
  [summaryRead, 'last=1h&service=a'],
  [anomaliesRead, ''],
  [servicesRead, ''],
] as const;

describe('over three shards', () => {
  it('summary, anomalies and services say what one shard with everything says', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(placed, { maxLength: 80 }),
        // The least maximum makes the lists of services longer than one answer.
        fc.constantFrom(SERVICES.length, 1000),
        async (rows, maxGroups) => {
          await store(rows);
          const three = shardReads(fromDatabases(shards));
          const one = shardReads(fromDatabases([whole]));
          const context = { ...CONTEXT, maxGroups };
          for (const [read, search] of SEARCHES) {
            expect(await membersOf(read, three, { search, context })).toBe(
              await membersOf(read, one, { search, context }),
            );
          }
          const summary = await membersOf(summaryRead, three, { search: 'last=1h' });
          expect(JSON.parse(`{${summary}}`).traces).toEqual(tracesOf(rows.map(({ span }) => span)));
        },
      ),
      { numRuns: 12 },
    );
  });
});

it('percentiles among thousands of nearly equal durations are exact, in few rounds', async () => {
  const spans: StoredSpan[] = Array.from({ length: 9000 }, (_, index) => ({
    traceId: BigInt(index + 1),
    slot: index,
    service: index % 3 === 0 ? 'a' : 'b',
    operation: 'op',
    status: 'ok',
    startNs: CONTEXT.nowNs,
    durationNs: 1_000_000n + BigInt((index * 7919) % 9001),
    commitNo: 1n,
    replacedAt: null,
  }));
  await Promise.all(
    shards.map(({ connection }, index) =>
      replaceAllSpans(
        connection,
        spans.filter((_, no) => no % SHARDS === index),
        1n,
      ),
    ),
  );
  let rounds = 0;
  const three = shardReads(fromDatabases(shards));
  const counting = {
    ...three,
    askTogether: (reads: never) => {
      rounds++;
      return three.askTogether(reads);
    },
  };
  const { traces, top_services } = JSON.parse(`{${await membersOf(summaryRead, counting)}}`);
  expect(traces).toEqual(tracesOf(spans));
  const p95 = (service: string) =>
    sortedIndex(
      spans.filter(each => each.service === service).map(({ durationNs }) => durationNs),
      0.95,
    );
  expect(top_services).toMatchObject([
    { service: 'b', span_count: 6000, p95_ms: Number(p95('b')) / 1e6 },
    { service: 'a', span_count: 3000, p95_ms: Number(p95('a')) / 1e6 },
  ]);
  expect(rounds).toBe(4);
});

/** The `traces` member of a summary of the last hour, computed from the spans themselves. */
function tracesOf(spans: readonly StoredSpan[]) {
  const counted = spans.filter(({ startNs }) => startNs >= CONTEXT.nowNs - NANOS_PER_HOUR);
  const durations = counted.map(({ durationNs }) => durationNs);
  const errors = counted.filter(({ status }) => status === 'error').length;
  const ms = (nanos: bigint | undefined) => Number(nanos ?? 0n) / 1e6;
  const orZero = (amount: number) => (counted.length === 0 ? 0 : amount / counted.length);
  return {
    span_count: counted.length,
    trace_count: new Set(counted.map(({ traceId }) => traceId)).size,
    error_count: errors,
    error_rate: orZero(errors),
    avg_ms: orZero(ms(durations.reduce((sum, duration) => sum + duration, 0n))),
    max_ms: ms(sortedIndex(durations, 1)),
    p50_ms: ms(sortedIndex(durations, 0.5)),
    p95_ms: ms(sortedIndex(durations, 0.95)),
    p99_ms: ms(sortedIndex(durations, 0.99)),
  };
}
