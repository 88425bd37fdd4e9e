import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ShardSpec } from '../../src/shared/topology/topology.ts';
import type { Json } from '../support/otlp-arbitraries.ts';
import { logsOf, metricsOf, spanId, traceId, tracesOf } from '../support/otlp-samples.ts';
import { type QueryHarness, startQuery } from '../support/query-harness.ts';
import { shardSpec, topologyOf } from '../support/stub-shard.ts';
import { startTestShard, type TestShard } from '../support/test-shard.ts';

let shards: TestShard[];
let specs: ShardSpec[];
let topology: readonly ShardSpec[];
let query: QueryHarness;
beforeAll(async () => {
  shards = await Promise.all([startTestShard(), startTestShard(), startTestShard()]);
  specs = shards.map((shard, index) => shardSpec(`s${index}`, Number(new URL(shard.readUrl).port)));
  query = await startQuery([], {
    timeoutMs: 60_000,
    topology: { current: () => topologyOf(topology), onChange: () => {} },
  });
});
afterAll(async () => {
  await query.stop();
  await Promise.all(shards.map(shard => shard.remove()));
});

type PagedRead = 'traces' | 'logs' | 'metrics';

/** A record, few of whose fields tell it from others, and the shards that have it. */
interface Placed {
  readonly at: number;
  readonly no: number;
  readonly on: readonly number[];
}

const placed = (shardCount: number): fc.Arbitrary<Placed[]> =>
  fc.array(
    fc.record({
      at: fc.nat(3),
      no: fc.nat(3),
      on: fc.uniqueArray(fc.nat(shardCount - 1), { minLength: 1, maxLength: shardCount }),
    }),
    { minLength: 1, maxLength: 25 },
  );

const START = 1_600_000_000_000_000_000n;

async function send(read: PagedRead, service: string, records: readonly Placed[]): Promise<void> {
  for (const [index, shard] of shards.entries()) {
    const own = records.filter(({ on }) => on.includes(index));
    if (own.length === 0) continue;
    const response = await shard.send(read, otlpOf(read, service, own));
    expect(response.status).toBe(200);
  }
}

function otlpOf(read: PagedRead, service: string, records: readonly Placed[]): Json {
  const times = records.map(({ at, no }) => ({ timeUnixNano: String(START + BigInt(at)), no }));
  if (read === 'traces') {
    // A span starts when it starts: its start is part of what tells it from others here.
    return tracesOf(
      service,
      records.map(({ at, no }) => ({ trace: service, span: `${at}-${no}`, start: START + BigInt(at) })),
    );
  }
  if (read === 'logs') {
    return logsOf(
      service,
      times.map(({ timeUnixNano, no }) => ({
        timeUnixNano,
        body: { stringValue: `record ${no}` },
        ...(no === 0 && { traceId: traceId(no), spanId: spanId(no) }),
      })),
    );
  }
  return metricsOf(
    service,
    times.map(({ timeUnixNano, no }) => ({
      name: `m${no}`,
      gauge: { dataPoints: [{ timeUnixNano, asInt: '1' }] },
    })),
  );
}

interface Page {
  readonly rows: readonly unknown[];
  readonly next: string | undefined;
  readonly failed: unknown;
}

const MEMBERS = { traces: 'spans', logs: 'logs', metrics: 'metrics' } as const;

async function pageOf(read: PagedRead, search: string): Promise<Page> {
  const { status, text, body } = await query.get(`/api/v1/${read}?${search}`);
  if (status !== 200) throw new Error(text);
  return {
    rows: body[MEMBERS[read]] as unknown[],
    next: body.next_cursor as string | undefined,
    failed: (body.shards as { failed: unknown }).failed,
  };
}

async function wholeOf(read: PagedRead, service: string): Promise<readonly unknown[]> {
  return (await pageOf(read, `service=${service}&limit=1000`)).rows;
}

const pageSizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });
const reads = fc.constantFrom<PagedRead>('traces', 'logs', 'metrics');
let runs = 0;
const RUNS = { numRuns: 12 };

describe('pages over real shards', () => {
  it('are together the one large answer, though a writer commits between them', async () => {
    await fc.assert(
      fc.asyncProperty(reads, placed(3), pageSizes, placed(3), async (read, records, sizes, later) => {
        topology = specs;
        const service = `w${runs++}`;
        await send(read, service, records);
        const whole = await wholeOf(read, service);
        const rows: unknown[] = [];
        let cursor = '';
        for (let pageNo = 0; ; pageNo++) {
          const limit = sizes[pageNo % sizes.length] as number;
          const page = await pageOf(read, `service=${service}&limit=${limit}${cursor}`);
          rows.push(...page.rows);
          expect(page.failed).toEqual([]);
          if (page.next === undefined) break;
          expect(page.rows).toHaveLength(limit);
          cursor = `&cursor=${page.next}`;
          // Others than those of before, for a span that is sent again is shown in its last version.
          await send(
            read,
            service,
            [...later].map(record => ({ ...record, no: record.no + 10 })),
          );
        }
        expect(rows).toEqual(whole);
      }),
      RUNS,
    );
  });

  it('go on over all shards of the present when the topology has changed', async () => {
    await fc.assert(
      fc.asyncProperty(reads, placed(2), placed(1), fc.integer({ min: 1, max: 5 }), async (...given) => {
        const [read, records, added, limit] = given;
        topology = specs.slice(0, 2);
        const service = `t${runs++}`;
        await send(
          read,
          service,
          records.map(record => ({ ...record, at: record.at + 10 })),
        );
        const first = await pageOf(read, `service=${service}&limit=${limit}`);
        if (first.next === undefined) return;
        await send(
          read,
          service,
          added.map(record => ({ ...record, on: [2] })),
        );
        topology = specs;
        const rest = await pageOf(read, `service=${service}&limit=1000&cursor=${first.next}`);
        expect([...first.rows, ...rest.rows]).toEqual(await wholeOf(read, service));

        topology = specs.slice(0, 1);
        const without = await pageOf(read, `service=${service}&limit=1000&cursor=${first.next}`);
        const reason = 'has left the topology since the first page';
        expect(without.failed).toEqual([{ id: 's1', reason, elapsed_ms: 0 }]);
        const remaining = (await wholeOf(read, service)).map(row => JSON.stringify(row));
        expect(without.rows.map(row => JSON.stringify(row))).toEqual(
          remaining.slice(remaining.length - without.rows.length),
        );
      }),
      RUNS,
    );
  });
});
