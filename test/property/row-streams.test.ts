import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyOrder } from '../../src/query/merge/key-order.ts';
import type { RowPlan } from '../../src/query/reads/read.ts';
import { type Page, pageOf } from '../../src/query/rows/page.ts';
import { type RowsOutcome, runRows } from '../../src/query/rows/run-rows.ts';
import {
  type MemoryFault,
  type MemoryRow,
  type MemoryShard,
  memoryClient,
  sortRows,
} from '../support/memory-shards.ts';
import { shardSpec } from '../support/stub-shard.ts';

const ORDER: KeyOrder = ['descending', 'descending', 'descending'];
const hex = (digits: number, value: number) => value.toString(16).padStart(digits, '0');

/** Few distinct keys, so that ties happen, within a shard and between shards. */
const row: fc.Arbitrary<MemoryRow> = fc
  .record({ start: fc.nat(3), trace: fc.nat(1), span: fc.nat(2), text: fc.constantFrom('a', 'é', '😀\\n') })
  .map(({ start, trace, span, text }) => ({
    key: [String(start).padStart(20, '0'), hex(32, trace), hex(16, span)],
    // The row follows from its key, as it does where the key has a hash of it.
    json: JSON.stringify({ start, trace, span, text: span === 0 ? text : 'x' }),
  }));
const firstRows = fc.integer({ min: 1, max: 12 });
const afterBytes = fc.nat(2000);
const fault: fc.Arbitrary<MemoryFault> = fc.oneof(
  fc.constantFrom({ kind: 'refuses' } as const, { kind: 'answers once' } as const),
  fc.record({ kind: fc.constantFrom('breaks' as const, 'ends' as const, 'garbles' as const), afterBytes }),
);
const shardArbitrary = fc
  .record({
    rows: fc.array(row, { maxLength: 30 }).map(rows => sortRows(rows, ORDER)),
    chunkBytes: fc.integer({ min: 1, max: 400 }),
    moreRows: fc.option(fc.integer({ min: 1, max: 10 }), { nil: Number.POSITIVE_INFINITY }),
  })
  // One answer of a shard has room for more than the rows of one key.
  .map(({ moreRows, ...shard }) => ({ ...shard, maxRows: mostOfOneKey(shard.rows) + moreRows }));

function mostOfOneKey(rows: readonly MemoryRow[]): number {
  const groups = Object.values(Object.groupBy(rows, ({ key }) => key.join()));
  return Math.max(0, ...groups.map(group => group?.length ?? 0));
}

const named = (shards: readonly Omit<MemoryShard, 'id'>[]): MemoryShard[] =>
  shards.map((shard, index) => ({ ...shard, id: `s${index}` }));
const shardsArbitrary = fc.array(shardArbitrary, { minLength: 1, maxLength: 5 }).map(named);

const identity = ([, trace, span]: readonly string[]) => `${trace} ${span}`;

/** A shard gives each span once; of several shards each may have it, at a start of its own. */
function eachOnce(shards: readonly MemoryShard[]): MemoryShard[] {
  return shards.map(shard => {
    const seen = new Map(shard.rows.toReversed().map(each => [identity(each.key), each]));
    return { ...shard, rows: sortRows([...seen.values()], ORDER) };
  });
}

/** A span starts at the same time on every shard that has it. */
function atOnePlace(shards: readonly MemoryShard[]): MemoryShard[] {
  const places = new Map<string, MemoryRow['key']>();
  const placed = (each: MemoryRow) => {
    const id = identity(each.key);
    const key = places.get(id) ?? each.key;
    places.set(id, key);
    return { ...each, key };
  };
  return shards.map(shard => ({ ...shard, rows: sortRows(shard.rows.map(placed), ORDER) }));
}

interface Asked {
  readonly limit: number;
  readonly isUnique?: boolean;
  readonly search?: string;
  /** How many rows each shard is asked for first. */
  readonly firstRows?: number;
}

function pageFor({ limit, isUnique = false, search = '' }: Asked): Page {
  const plan: RowPlan<'spans'> = {
    kind: 'rows',
    shardRead: 'spans',
    request: { limit },
    order: ORDER,
    ...(isUnique && { identity }),
    limit,
    isPaged: true,
    member: 'rows',
  };
  const page = pageOf({ readName: 'traces', plan, search: new URLSearchParams(search) });
  if ('kind' in page) throw new Error(page.error);
  return page;
}

async function ask(
  shards: readonly MemoryShard[],
  asked: Asked,
  maxHeldBytes?: number,
): Promise<RowsOutcome> {
  return runRows({
    page: pageFor(asked),
    shards: shards.map(({ id }) => shardSpec(id, 1)),
    reader: memoryClient(shards, ORDER),
    shares: { firstRows: () => asked.firstRows ?? 1, learn: () => {} },
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    isStrict: false,
    ...(maxHeldBytes !== undefined && { maxHeldBytes }),
  });
}

interface Answer {
  readonly rows: readonly unknown[];
  readonly next: string | undefined;
  readonly missing: readonly string[];
}

async function answerOf(outcome: RowsOutcome): Promise<Answer> {
  if (outcome.kind !== 'held' && outcome.kind !== 'streamed') throw new Error(outcome.kind);
  const members = outcome.kind === 'held' ? Buffer.concat(outcome.members) : await buffer(outcome.pieces);
  const { rows, next_cursor } = JSON.parse(`{${members}}`);
  const slots = outcome.kind === 'held' ? outcome.slots : outcome.slots();
  const missing = slots.filter(({ kind }) => kind !== 'answered').map(({ shardId }) => shardId);
  return { rows, next: next_cursor, missing };
}

/** Written on its own terms: what a single shard with all the rows would give. */
function wholeOf(shards: readonly MemoryShard[], isUnique = false): unknown[] {
  const seen = new Set<string>();
  return sortRows(
    shards.flatMap(({ rows }) => rows),
    ORDER,
  )
    .filter(({ key }) => {
      const id = identity(key);
      return !isUnique || (!seen.has(id) && seen.add(id));
    })
    .map(({ json }) => JSON.parse(json));
}

describe('rows that stream in', () => {
  it('F15: are merged into one total order, however they are spread over shards and cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(shardsArbitrary, fc.nat(80), firstRows, fc.nat(600), async (...given) => {
        const [shards, limit, share, maxHeldBytes] = given;
        const asked = { limit, firstRows: share };
        const { rows, missing } = await answerOf(await ask(shards, asked, maxHeldBytes));
        expect(rows).toEqual(wholeOf(shards).slice(0, limit));
        expect(missing).toEqual([]);
      }),
    );
  });

  it('F13: are shown once per identity, the first in order, though several shards have them', async () => {
    await fc.assert(
      fc.asyncProperty(shardsArbitrary, fc.nat(20), firstRows, fc.nat(600), async (...given) => {
        const [each, limit, share, maxHeldBytes] = given;
        const shards = eachOnce(each);
        const asked = { limit, isUnique: true, firstRows: share };
        const { rows } = await answerOf(await ask(shards, asked, maxHeldBytes));
        expect(rows).toEqual(wholeOf(shards, true).slice(0, limit));
      }),
    );
  });

  it('are without those of a shard that fails, wherever it fails, as if it were not there', async () => {
    const faulty = fc
      .array(fc.tuple(shardArbitrary, fc.option(fault, { nil: undefined })), { minLength: 1, maxLength: 5 })
      .map(shards => named(shards.map(([shard, what]) => ({ ...shard, fault: what }))));
    await fc.assert(
      fc.asyncProperty(faulty, fc.nat(80), firstRows, fc.boolean(), async (given, limit, share, isUnique) => {
        const shards = isUnique ? eachOnce(given) : given;
        const { rows, missing } = await answerOf(await ask(shards, { limit, isUnique, firstRows: share }));
        const rest = shards.filter(({ id }) => !missing.includes(id));
        expect(rows).toEqual(wholeOf(rest, isUnique).slice(0, limit));
        for (const { id, fault: what } of shards) {
          if (what === undefined) expect(missing).not.toContain(id);
          if (what?.kind === 'refuses') expect(missing).toContain(id);
        }
      }),
    );
  });

  it('that began to be sent go on without a shard that fails then, and it is named', async () => {
    const failing = { ...fc.sample(shardArbitrary, { numRuns: 1, seed: 3 })[0] };
    await fc.assert(
      fc.asyncProperty(shardsArbitrary, fc.integer({ min: 1, max: 1500 }), async (shards, bytes) => {
        const id = `s${shards.length}`;
        const broken = {
          rows: failing.rows ?? [],
          id,
          fault: { kind: 'breaks', afterBytes: bytes },
        } as const;
        const outcome = await ask([...shards, broken], { limit: 1000 }, 1);
        const { rows, missing } = await answerOf(outcome);
        const given = rows.map(each => JSON.stringify(each));
        for (const whole of wholeOf(shards)) {
          const at = given.indexOf(JSON.stringify(whole));
          expect(at).toBeGreaterThanOrEqual(0);
          given.splice(at, 1);
        }
        const its = broken.rows.map(({ json }) => JSON.stringify(JSON.parse(json)));
        expect(given).toEqual(its.slice(0, given.length));
        expect(missing).toEqual([id]);
      }),
    );
  });

  it('come in pages that are together the whole, whatever the sizes of the pages', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(shardsArbitrary, sizes, firstRows, fc.nat(600), async (...given) => {
        const [shards, limits, share, maxHeldBytes] = given;
        const rows: unknown[] = [];
        let search = '';
        for (let pageNo = 0; ; pageNo++) {
          const limit = limits[pageNo % limits.length] as number;
          const page = await answerOf(await ask(shards, { limit, search, firstRows: share }, maxHeldBytes));
          rows.push(...page.rows);
          if (page.next === undefined) break;
          expect(page.rows).toHaveLength(limit);
          search = `cursor=${page.next}`;
        }
        expect(rows).toEqual(wholeOf(shards));
      }),
    );
  });

  it('come in pages that show each identity once, though several shards have it at the same place', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(shardsArbitrary, sizes, firstRows, fc.nat(600), async (...given) => {
        const [each, limits, share, maxHeldBytes] = given;
        const shards = atOnePlace(eachOnce(each));
        const rows: unknown[] = [];
        let search = '';
        for (let pageNo = 0; ; pageNo++) {
          const limit = limits[pageNo % limits.length] as number;
          const page = await answerOf(
            await ask(shards, { limit, search, isUnique: true, firstRows: share }, maxHeldBytes),
          );
          rows.push(...page.rows);
          if (page.next === undefined) break;
          expect(page.rows).toHaveLength(limit);
          search = `cursor=${page.next}`;
        }
        expect(rows).toEqual(wholeOf(shards, true));
      }),
    );
  });
});
