import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAttributeValues } from '../../src/shard/reads/attribute-values.ts';
import { hasAttributes } from '../../src/shard/reads/attributes.ts';
import { greater } from '../../src/shard/reads/bigints.ts';
import type { AtCommit } from '../../src/shard/reads/service-counts.ts';
import { createParameters } from '../../src/shard/reads/where.ts';
import { type BareCommits, bareCommits, beginAt, type Transaction } from '../support/bare-commits.ts';
import { openReaders, type ReadTestShard } from '../support/read-shards.ts';

let shard: ReadTestShard;
beforeAll(async () => {
  [shard] = (await openReaders(1)) as [ReadTestShard];
});
afterAll(() => shard.remove());

const KEYS = ['k', 'a/b', '~'] as const;
const value = fc.constantFrom('x', 'é', '1', 'a "quoted" \\ one');
/** What is stored of an attribute need not be a string. */
const stored = fc.oneof(value, fc.constantFrom(1, true, null));
const span = fc.record({
  /** Against the commit before, so that windows cut through commits. */
  laterNs: fc.integer({ min: -3, max: 3 }),
  attributes: fc.dictionary(fc.constantFrom(...KEYS), stored, { maxKeys: 3, noNullPrototype: true }),
});
const read = fc.record({
  kind: fc.constant('read' as const),
  commitsAgo: fc.nat({ max: 2 }),
  attributes: fc.array(fc.tuple(fc.constantFrom(...KEYS), value), { minLength: 1, maxLength: 2 }),
  fromNs: fc.option(fc.nat({ max: 40 }), { nil: undefined }),
  /** In a transaction that began before. */
  isLate: fc.boolean(),
});
const step = fc.oneof(
  {
    weight: 5,
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
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('begin' as const) }) },
);
const sizes = fc.record({
  mostCommits: fc.integer({ min: 1, max: 10 }),
  mostSpans: fc.integer({ min: 1, max: 20 }),
  fewSpans: fc.nat({ max: 4 }),
  mostKeys: fc.integer({ min: 1, max: 3 }),
  mostValues: fc.integer({ min: 1, max: 1000 }),
});

type Question = Pick<typeof read extends fc.Arbitrary<infer T> ? T : never, 'attributes' | 'fromNs'>;

/** The commits with spans that have the attributes, by going through all of them. */
async function scanned(
  { connection, asOf }: AtCommit,
  { attributes, fromNs = 0 }: Question,
): Promise<readonly bigint[]> {
  const parameters = createParameters();
  const result = await connection.runAndReadAll(
    `SELECT DISTINCT commit_no FROM store.spans
     WHERE commit_no <= ${asOf} AND start_ns >= ${fromNs} AND ${hasAttributes(attributes, parameters).join(' AND ')}`,
    parameters.values,
    parameters.types,
  );
  return result.getRows().map(([commitNo]) => commitNo as bigint);
}

async function add(commits: BareCommits, spans: readonly { laterNs: number; attributes: object }[]) {
  await commits.add(
    spans.map(({ laterNs, attributes }) => ({
      startNs: Math.max(0, commits.last + 1 + laterNs),
      attributes: { ...attributes },
    })),
  );
}

describe('the commits that an attribute is looked for in', () => {
  it('are all that have it, whatever came or went and however little is kept', async () => {
    let told = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
        sizes,
        async (steps, most) => {
          const commits = await bareCommits(shard.connection);
          const values = createAttributeValues(most);
          let earlier: Transaction | undefined;
          for (const each of steps) {
            switch (each.kind) {
              case 'commit':
                await add(commits, each.spans);
                break;
              case 'retain':
                await commits.retain(each.keep);
                break;
              case 'begin':
                earlier?.connection.closeSync();
                earlier = await beginAt(shard.database, commits);
                break;
              case 'read': {
                const now = { ...shard, asOf: BigInt(commits.last), floor: commits.floor };
                const { connection, asOf: last, floor } = (each.isLate ? earlier : undefined) ?? now;
                const asOf = greater(last - BigInt(each.commitsAgo), BigInt(floor));
                const context = { connection, asOf };
                const ranges = await values.commitsWith(context, {
                  ...each,
                  fromNs: each.fromNs?.toString(),
                });
                if (ranges === undefined) break;
                told++;
                const isLookedAt = (commitNo: bigint) =>
                  ranges.some(({ after, upTo }) => commitNo > after && commitNo <= upTo);
                const having = await scanned(context, each);
                expect(having.filter(commitNo => !isLookedAt(commitNo))).toEqual([]);
                break;
              }
            }
          }
          earlier?.connection.closeSync();
        },
      ),
      { numRuns: 60 },
    );
    expect(told).toBeGreaterThan(60);
  }, 120_000);

  const SIZES = { mostCommits: 2, mostSpans: 4, fewSpans: 0, mostKeys: 1, mostValues: 1000 };

  async function ranges(values: ReturnType<typeof createAttributeValues>, asOf: number, question: Question) {
    const { attributes, fromNs } = question;
    const context = { connection: shard.connection, asOf: BigInt(asOf) };
    const found = await values.commitsWith(context, { attributes, fromNs: fromNs?.toString() });
    return found?.map(({ after, upTo }) => [Number(after), Number(upTo)]);
  }

  async function commitEach(...all: readonly string[]): Promise<BareCommits> {
    const commits = await bareCommits(shard.connection);
    for (const [index, k] of all.entries())
      await commits.add([{ startNs: index + 1, attributes: { k, other: 'x' } }]);
    return commits;
  }

  const question = (k: string, fromNs?: number): Question => ({ attributes: [['k', k]] as never, fromNs });

  it('are those alone that have the value, from the second question on', async () => {
    const commits = await commitEach('x', 'y', 'z', 'x');
    const values = createAttributeValues(SIZES);
    expect(await ranges(values, 4, question('y'))).toBeUndefined();
    expect(await ranges(values, 4, question('y'))).toEqual([[1, 2]]);
    expect(await ranges(values, 4, question('x'))).toEqual([
      [0, 1],
      [3, 4],
    ]);
    expect(await ranges(values, 4, question('nowhere'))).toEqual([]);
    await commits.add([{ startNs: 5, attributes: { k: 'y' } }]);
    expect(await ranges(values, 5, question('y', 3))).toEqual([[4, 5]]);
  });

  it('are learned bit by bit where they are many, and the new ones gone through while they are few', async () => {
    const commits = await commitEach('a', 'b', 'c', 'd', 'e', 'f');
    const values = createAttributeValues({ ...SIZES, fewSpans: 1 });
    expect(await ranges(values, 6, question('a'))).toBeUndefined();
    // Of the window that begins with the third one all are known then, of the whole not.
    expect(await ranges(values, 6, question('a'))).toBeUndefined();
    expect(await ranges(values, 6, question('d', 3))).toEqual([[3, 4]]);
    expect(await ranges(values, 6, question('a'))).toEqual([[0, 1]]);
    await commits.add([{ startNs: 7 }]);
    expect(await ranges(values, 7, question('a'))).toEqual([
      [0, 1],
      [6, 7],
    ]);
    await commits.add([{ startNs: 8 }]);
    expect(await ranges(values, 8, question('a'))).toEqual([[0, 1]]);
  });

  it('are learned anew where too much has come since', async () => {
    const commits = await commitEach('a', 'b');
    const values = createAttributeValues(SIZES);
    for (let times = 0; times < 2; times++) await ranges(values, 2, question('a'));
    for (const k of ['c', 'd', 'e', 'f', 'g']) await commits.add([{ startNs: 3, attributes: { k } }]);
    expect(await ranges(values, 7, question('d', 3))).toBeUndefined();
    expect(await ranges(values, 7, question('d', 3))).toEqual([[3, 4]]);
    expect(await ranges(values, 7, question('a'))).toEqual([[0, 1]]);
  });

  it('are those that an older transaction sees, which is told no less', async () => {
    const commits = await commitEach('a', 'b', 'c', 'd');
    const values = createAttributeValues({ ...SIZES, mostSpans: 10 });
    const old = await beginAt(shard.database, commits);
    const inOld = async (k: string, fromNs?: string) =>
      (await values.commitsWith(old, { attributes: [['k', k]], fromNs }))?.map(({ upTo }) => Number(upTo));
    await commits.retain(2);
    await commits.add([{ startNs: 6, attributes: { k: 'a' } }]);
    for (let times = 0; times < 2; times++) await ranges(values, 6, question('a'));
    expect(await ranges(values, 6, question('a'))).toEqual([[5, 6]]);
    // It sees commit 1, of which nothing can be known any more.
    expect(await inOld('a')).toBeUndefined();
    expect(await inOld('c', '3')).toEqual([3]);
    old.connection.closeSync();
  });

  it('are not those that were deleted before they were learned, which an older transaction sees', async () => {
    const commits = await commitEach('a', 'b');
    const values = createAttributeValues(SIZES);
    for (let times = 0; times < 2; times++) await ranges(values, 2, question('a'));
    await commits.add([{ startNs: 3, attributes: { k: 'e' } }]);
    const old = await beginAt(shard.database, commits);
    await commits.retain(0);
    await commits.add([{ startNs: 5, attributes: { k: 'x' } }]);
    expect(await ranges(values, 5, question('x'))).toEqual([[4, 5]]);
    expect(await values.commitsWith(old, { attributes: [['k', 'e']] })).toBeUndefined();
    old.connection.closeSync();
  });

  it('are not learned twice when they are too many to be kept', async () => {
    await commitEach('a', 'b', 'c', 'd');
    // A commit counts as fifty.
    const values = createAttributeValues({ ...SIZES, mostValues: 110 });
    for (let times = 0; times < 2; times++) await ranges(values, 4, question('a'));
    expect(await ranges(values, 4, question('c', 3))).toEqual([[2, 3]]);
    const asked: string[] = [];
    const connection = await shard.database.connect();
    const prepare = connection.prepare.bind(connection);
    connection.prepare = sql => {
      asked.push(sql);
      return prepare(sql);
    };
    const again = { attributes: question('a').attributes };
    expect(await values.commitsWith({ connection, asOf: 4n }, again)).toBeUndefined();
    expect(asked.filter(sql => sql.includes('store.commits'))).toHaveLength(1);
    expect(asked.filter(sql => sql.includes('store.spans'))).toEqual([]);
    connection.closeSync();
  });

  it('are not told when too many have the value, nor of a key that was asked for too long ago', async () => {
    await commitEach('x', 'x', 'x');
    const values = createAttributeValues(SIZES);
    const other: Question = { attributes: [['other', 'y']] as never, fromNs: undefined };
    for (let times = 0; times < 3; times++) expect(await ranges(values, 3, question('x'))).toBeUndefined();
    expect(await ranges(values, 3, question('y'))).toEqual([]);
    expect(await ranges(values, 3, other)).toBeUndefined();
    expect(await ranges(values, 3, other)).toEqual([]);
    expect(await ranges(values, 3, question('y'))).toBeUndefined();
  });
});
