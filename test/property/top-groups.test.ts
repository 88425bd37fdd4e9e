import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareUtf8 } from '../../src/query/merge/key-order.ts';
import { allGroups, type Group, topGroups } from '../../src/query/reads/groups.ts';
import type { ShardQuery } from '../../src/query/reads/read.ts';
import { runRounds } from '../../src/query/reads/rounds.ts';
import { type Give, partOf, shardReads } from '../support/rounds.ts';

const REQUEST = { of: 'spans' as const, by: ['operation' as const] };
const MOST = 3;

/** What one shard counts. */
type Counts = ReadonlyMap<string, number>;

const counts = fc
  .array(
    fc.tuple(
      fc.string({ minLength: 1, maxLength: 2, unit: fc.constantFrom(...'abcdé😀\uffee') }),
      fc.integer({ min: 1, max: 12 }),
    ),
    {
      maxLength: 40,
    },
  )
  .map(entries => new Map(entries));

/** Answers as a shard does, from memory. */
function countsShard(counted: Counts): (query: ShardQuery) => Group[] {
  return ({ name, request }) => {
    if (name !== 'groupCounts') throw new Error(`this shard has no ${name}`);
    const { top, atLeast = 1, groups } = request;
    return ranked(counted)
      .filter(
        ({ names, count }) => count >= atLeast && (groups?.some(([group]) => group === names[0]) ?? true),
      )
      .slice(0, top);
  };
}

function ranked(counted: Counts): Group[] {
  return [...counted]
    .sort(([nameA, a], [nameB, b]) => b - a || compareUtf8(nameA, nameB))
    .map(([name, count]) => ({ names: [name], count }));
}

function giveOf(shards: readonly Counts[]): { readonly give: Give; rounds(): number; moved(): number } {
  let rounds = 0;
  let moved = 0;
  const give: Give = query => {
    rounds++;
    return shards.map((counted, index) => {
      const groups = countsShard(counted)(query);
      moved += groups.length;
      return partOf(
        `s${index}`,
        groups.map(({ names, count }) => ({ key: names, row: { group: names, count } })),
      );
    });
  };
  return { give, rounds: () => rounds, moved: () => moved };
}

function pooled(shards: readonly Counts[]): Group[] {
  const sums = new Map<string, number>();
  for (const [name, count] of shards.flatMap(counted => [...counted])) {
    sums.set(name, (sums.get(name) ?? 0) + count);
  }
  return ranked(sums);
}

const top = (shards: readonly Counts[], maxGroups: number) =>
  runRounds(
    shardReads(giveOf(shards).give),
    topGroups(REQUEST, { most: MOST, maxGroups, what: 'operations' }),
  );

describe('the largest groups of all shards', () => {
  it('are those of the full counts, or the answer says that there were too many to tell', async () => {
    let told = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(counts, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        async (shards, maxGroups) => {
          const answer = await top(shards, maxGroups);
          const largest = Math.max(...shards.map(({ size }) => size));
          if (answer.kind === 'refused') expect(largest).toBeGreaterThan(maxGroups);
          else {
            expect(answer.groups).toEqual(pooled(shards).slice(0, MOST));
            if (largest > maxGroups) told++;
          }
        },
      ),
      { numRuns: 500 },
    );
    // Lists that were cut must have been among them.
    expect(told).toBeGreaterThan(10);
  });

  it('are found in one round while no shard has many', async () => {
    const { give, rounds } = giveOf([new Map([['a', 1]]), new Map([['b', 2]])]);
    await runRounds(shardReads(give), topGroups(REQUEST, { most: MOST, maxGroups: 1000, what: '' }));
    expect(rounds()).toBe(1);
  });

  it('are found without moving the many small ones', async () => {
    const many = (salt: number): Counts =>
      new Map([
        ...Array.from({ length: 20_000 }, (_, index) => [`rare ${salt} ${index}`, 1 + (index % 3)] as const),
        ...Array.from({ length: 20 }, (_, index) => [`frequent ${index}`, 1000 + index * salt] as const),
      ]);
    const shards = [many(1), many(2), many(3)];
    const { give, rounds, moved } = giveOf(shards);
    const answer = await runRounds(
      shardReads(give),
      topGroups(REQUEST, { most: MOST, maxGroups: 20_000, what: '' }),
    );
    expect(answer).toEqual({ kind: 'groups', groups: pooled(shards).slice(0, MOST) });
    expect(rounds()).toBeLessThanOrEqual(3);
    expect(moved()).toBeLessThan(16_000);
  });

  it('are a 413 that names the setting when small ones are as many as may be looked at', async () => {
    const flat: Counts = new Map(Array.from({ length: 50 }, (_, index) => [`op ${index}`, 1]));
    expect(await top([flat, flat], 20)).toEqual({
      kind: 'refused',
      status: 413,
      error: 'a shard has more than 20 operations, query.maxGroups: narrow the window or name a service',
    });
  });
});

describe('all groups of all shards', () => {
  it('are added up, largest first', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(counts, { minLength: 1, maxLength: 5 }), async shards => {
        const groups = allGroups(REQUEST, { maxGroups: 100, what: '' });
        expect(await runRounds(shardReads(giveOf(shards).give), groups)).toEqual({
          kind: 'groups',
          groups: pooled(shards),
        });
      }),
    );
  });

  it('are a 413 that names the setting when one shard has too many', async () => {
    const shards = [new Map([['a', 1]]), new Map([...'abc'].map(name => [name, 1] as const))];
    const groups = allGroups(REQUEST, { maxGroups: 2, what: 'metric names' });
    expect(await runRounds(shardReads(giveOf(shards).give), groups)).toMatchObject({
      status: 413,
      error: expect.stringContaining('more than 2 metric names, query.maxGroups'),
    });
  });
});
