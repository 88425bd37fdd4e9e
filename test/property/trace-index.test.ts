import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { greater } from '../../src/shard/reads/bigints.ts';
import type { AtCommit } from '../../src/shard/reads/service-counts.ts';
import { createTraceIndex, type TraceIndex } from '../../src/shard/reads/trace-index.ts';
import type { TracesOfCommit } from '../../src/shard/store/trace-order.ts';
import { type BareCommits, bareCommits, beginAt, type Transaction } from '../support/bare-commits.ts';
import { openReaders, type ReadTestShard } from '../support/read-shards.ts';

let shard: ReadTestShard;
beforeAll(async () => {
  [shard] = (await openReaders(1)) as [ReadTestShard];
});
afterAll(() => shard.remove());

const TRACES = [1, 2, 3, 4, 5];
const traceIds = fc.uniqueArray(fc.constantFrom(...TRACES), { maxLength: 4 });
const read = fc.record({
  kind: fc.constant('read' as const),
  traceIds,
  commitsAgo: fc.nat({ max: 2 }),
  /** Only commits after so many of them are wanted. */
  afterCommits: fc.option(fc.nat({ max: 30 }), { nil: undefined }),
  /** In a transaction that began before. */
  isLate: fc.boolean(),
});
/** Of what happens the index may not be told. */
const isTold = fc.nat({ max: 9 }).map(dice => dice > 0);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('commit' as const), traceIds, isTold }) },
  { weight: 5, arbitrary: read },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('learn' as const),
      isLate: fc.boolean(),
      /** What comes next comes while it is learned. */
      isAwaited: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('retain' as const),
      keep: fc.integer({ min: 0, max: 12 }),
      isTold,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('begin' as const) }) },
);
const sizes = fc.record({
  mostBytes: fc.constantFrom(64, 200, 10_000),
  tableTraces: fc.integer({ min: 1, max: 6 }),
  mostLooks: fc.integer({ min: 0, max: 20 }),
  learnedAtOnce: fc.record({
    spans: fc.integer({ min: 1, max: 6 }),
    commits: fc.integer({ min: 1, max: 6 }),
  }),
});

function traces(ids: readonly number[]): TracesOfCommit {
  const keys = new Int32Array(BigUint64Array.from(ids, BigInt).buffer);
  return { count: ids.length, keys, repeats: new Uint8Array(ids.length) };
}

interface Search {
  readonly keys: readonly bigint[];
  readonly after: bigint;
}

/** By going through what is stored. */
async function stored({ connection, asOf }: AtCommit, { keys, after }: Search): Promise<readonly string[]> {
  const result = await connection.runAndReadAll(
    `SELECT trace_key, commit_no FROM store.trace_commits WHERE commit_no > ${after} AND commit_no <= ${asOf}
     ORDER BY trace_key, commit_no`,
  );
  const rows = result.getRows() as [bigint, bigint][];
  return rows.filter(([key]) => keys.includes(key)).map(row => row.join(' in '));
}

async function found(index: TraceIndex, context: AtCommit, search: Search): Promise<readonly string[]> {
  const commits = await index.commitsOf(context, search);
  const byKey = [...commits].sort(([one], [other]) => (one < other ? -1 : 1));
  return byKey.flatMap(([key, all]) => all.map(({ commitNo }) => `${key} in ${commitNo}`));
}

async function commit(commits: BareCommits, index: TraceIndex | undefined, ids: readonly number[]) {
  await commits.add(ids.map(traceId => ({ traceId })));
  index?.add(BigInt(commits.last), traces(ids));
}

async function retain(commits: BareCommits, index: TraceIndex | undefined, keep: number) {
  await commits.retain(keep);
  const commitNo = BigInt(commits.last);
  index?.add(commitNo, traces([]));
  index?.forget({ commitNo, floorNo: BigInt(commits.floor) });
}

describe('where traces are', () => {
  it('is known as it is stored, whatever came or went, in whichever order and however little is kept', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 50, size: 'max' }),
        sizes,
        async (steps, most) => {
          const commits = await bareCommits(shard.connection);
          const index = createTraceIndex(most);
          let earlier: Transaction | undefined;
          const learning: Promise<void>[] = [];
          for (const each of steps) {
            switch (each.kind) {
              case 'commit':
                await commit(commits, each.isTold ? index : undefined, each.traceIds);
                break;
              case 'retain':
                await retain(commits, each.isTold ? index : undefined, each.keep);
                break;
              case 'begin':
                await Promise.all(learning);
                earlier?.connection.closeSync();
                earlier = await beginAt(shard.database, commits);
                break;
              case 'learn': {
                const context =
                  (each.isLate ? earlier : undefined) ?? (await beginAt(shard.database, commits));
                const learned = index.learn(context.connection).finally(() => {
                  if (context !== earlier) context.connection.closeSync();
                });
                learning.push(learned);
                if (each.isAwaited) await learned;
                break;
              }
              case 'read': {
                const now = await beginAt(shard.database, commits);
                const { connection, asOf: last, floor } = (each.isLate ? earlier : undefined) ?? now;
                const context = { connection, asOf: greater(last - BigInt(each.commitsAgo), BigInt(floor)) };
                const search = { keys: each.traceIds.map(BigInt), after: BigInt(each.afterCommits ?? 0) };
                const deleted = (place: string) => Number(place.split(' in ')[1]) <= commits.floor;
                const there = await stored(context, search);
                const told = await found(index, context, search);
                expect(told.filter(place => there.includes(place))).toEqual(there);
                expect(told.filter(place => !there.includes(place) && !deleted(place))).toEqual([]);
                now.connection.closeSync();
                break;
              }
            }
          }
          await Promise.all(learning);
          earlier?.connection.closeSync();
        },
      ),
      { numRuns: 100 },
    );
  }, 120_000);

  /** What it asks the database for. */
  async function asked(index: TraceIndex, asOf: number, search: Partial<Search> = {}) {
    const connection = await shard.database.connect();
    const statements: string[] = [];
    const run = connection.run.bind(connection);
    connection.run = sql => {
      statements.push(sql);
      return run(sql);
    };
    const context = { connection, asOf: BigInt(asOf) };
    const places = await found(index, context, { keys: [1n, 2n], after: 0n, ...search });
    connection.closeSync();
    return { places, statements: statements.length };
  }

  const ROOMY = { mostBytes: 100_000, tableTraces: 2 };

  const learn = (index: TraceIndex) => index.learn(shard.connection);

  it('is not asked for once the older commits were learned', async () => {
    const commits = await bareCommits(shard.connection);
    for (const id of [1, 2, 1]) await commit(commits, undefined, [id]);
    const index = createTraceIndex({ ...ROOMY, learnedAtOnce: { spans: 1, commits: 2 } });
    const places = ['1 in 1', '1 in 3', '2 in 2'];
    expect(await asked(index, 3)).toEqual({ places, statements: 1 });
    expect(index.isBehind()).toBe(true);
    await learn(index);
    expect(index.isBehind()).toBe(false);
    expect(await asked(index, 3)).toEqual({ places, statements: 0 });
    await commit(commits, index, [2, 3]);
    expect(await asked(index, 4)).toEqual({ places: [...places, '2 in 4'], statements: 0 });
    expect(await asked(index, 3, { after: 1n })).toEqual({ places: ['1 in 3', '2 in 2'], statements: 0 });
  });

  it('is asked for when it would be looked for in too many tables', async () => {
    const commits = await bareCommits(shard.connection);
    const index = createTraceIndex({ ...ROOMY, tableTraces: 1, mostLooks: 2 });
    await learn(index);
    for (const id of [1, 2, 1]) await commit(commits, index, [id]);
    expect(await asked(index, 3, { keys: [1n] })).toEqual({ places: ['1 in 1', '1 in 3'], statements: 1 });
    expect(await asked(index, 3, { keys: [1n], after: 2n })).toEqual({ places: ['1 in 3'], statements: 0 });
  });

  it('is learned with all bits of the keys, and with what a trace has twice in a commit', async () => {
    const trace = fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.boolean());
    const all = fc.uniqueArray(trace, { selector: ([key]) => key, minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(all, async keys => {
        const commits = await bareCommits(shard.connection);
        for (const [key, repeats] of keys) {
          await commits.add([]);
          await shard.connection.run(
            `INSERT INTO store.trace_commits VALUES (${key}, ${commits.last}, ${repeats})`,
          );
        }
        const index = createTraceIndex(ROOMY);
        const connection = await shard.database.connect();
        const context = { connection, asOf: BigInt(commits.last) };
        const search = { keys: keys.map(([key]) => key) };
        const stored = await index.commitsOf(context, search);
        await index.learn(connection);
        const learned = await index.commitsOf({ ...context, connection: undefined as never }, search);
        connection.closeSync();
        expect(learned).toEqual(stored);
        const repeating = keys.map(([key, repeats], place) => [
          key,
          [{ commitNo: BigInt(place + 1), repeats }],
        ]);
        expect([...learned]).toEqual(repeating);
      }),
      { numRuns: 20 },
    );
  });

  it('is asked for of what there is no memory for, and again of nothing that retention has deleted', async () => {
    const commits = await bareCommits(shard.connection);
    const index = createTraceIndex({ mostBytes: 64, tableTraces: 2 });
    for (const id of [1, 2, 1, 2, 1, 2, 1, 2]) await commit(commits, index, [id]);
    const all = [1, 3, 5, 7].map(no => `1 in ${no}`);
    expect(await asked(index, 8, { keys: [1n] })).toEqual({ places: all, statements: 1 });
    expect((await asked(index, 8, { after: 6n })).statements).toBe(0);
    await retain(commits, index, 2);
    expect(await asked(index, 9)).toEqual({ places: ['1 in 7', '2 in 8'], statements: 0 });
  });

  it('is asked for of a commit that it was not told of, and learned anew', async () => {
    const commits = await bareCommits(shard.connection);
    const index = createTraceIndex(ROOMY);
    await commit(commits, index, [1]);
    await commit(commits, undefined, [2]);
    expect((await asked(index, 2)).places).toEqual(['1 in 1', '2 in 2']);
    await commit(commits, index, [1]);
    const places = ['1 in 1', '1 in 3', '2 in 2'];
    expect(await asked(index, 3)).toEqual({ places, statements: 1 });
    await learn(index);
    expect(await asked(index, 3)).toEqual({ places, statements: 0 });
  });

  it('is not taken from a transaction that does not see all of the older commits', async () => {
    const commits = await bareCommits(shard.connection);
    await commit(commits, undefined, [1]);
    const old = await beginAt(shard.database, commits);
    await commit(commits, undefined, [2]);
    const index = createTraceIndex(ROOMY);
    await commit(commits, index, [1]);
    await index.learn(old.connection);
    old.connection.closeSync();
    expect((await asked(index, 3)).places).toEqual(['1 in 1', '1 in 3', '2 in 2']);
  });

  it('is not joined to what is known when that has changed while it was learned', async () => {
    const commits = await bareCommits(shard.connection);
    for (const id of [1, 2, 1]) await commit(commits, undefined, [id]);
    const index = createTraceIndex(ROOMY);
    await commit(commits, index, [2]);
    const now = await beginAt(shard.database, commits);
    const run = now.connection.run.bind(now.connection);
    now.connection.run = sql => {
      // Of commit 5 it is not told.
      if (sql.includes('trace_commits')) index.add(6n, traces([2]));
      return run(sql);
    };
    await index.learn(now.connection);
    now.connection.closeSync();
    for (const id of [1, 2]) await commit(commits, undefined, [id]);
    const places = ['1 in 1', '1 in 3', '1 in 5', '2 in 2', '2 in 4', '2 in 6'];
    expect((await asked(index, 6)).places).toEqual(places);
  });

  it('is kept when a commit is told of that could be seen before', async () => {
    const commits = await bareCommits(shard.connection);
    for (const id of [1, 2, 1]) await commit(commits, undefined, [id]);
    const index = createTraceIndex(ROOMY);
    await learn(index);
    index.add(3n, traces([1]));
    expect(await asked(index, 3)).toEqual({ places: ['1 in 1', '1 in 3', '2 in 2'], statements: 0 });
  });
});
