import { expect, it } from 'vitest';
import { piecesOf } from '../../../../src/query/reads/pieces.ts';
import type { ShardQuery } from '../../../../src/query/reads/read.ts';
import { ask, type Rounds, runRounds, together } from '../../../../src/query/reads/rounds.ts';
import { partOf } from '../../../support/rounds.ts';

/** Asks for a trace so many times, one round each, and says what it was given. */
function* asking(traceId: string, times: number): Rounds<string[]> {
  const given: string[] = [];
  for (let round = 0; round < times; round++) {
    const [part] = yield* ask('trace', { traceId: `${traceId}${round}` });
    given.push(String(part?.shardId));
  }
  return given;
}

/** A shard for each question, named after it, and the rounds as they came. */
function recorder() {
  const rounds: string[][] = [];
  const askTogether = async (reads: readonly ShardQuery[]) => {
    const ids = reads.map(({ request }) => (request as { traceId: string }).traceId);
    rounds.push(ids);
    return Promise.resolve(ids.map(id => [partOf(id, [])]));
  };
  return { rounds, shards: { askTogether: askTogether as never } };
}

it('computations that go together share their rounds and get their own answers', async () => {
  const { rounds, shards } = recorder();
  const results = await runRounds(
    shards,
    together(asking('a', 1), together(asking('b', 3), asking('c', 2)), asking('d', 0)),
  );
  expect(results).toEqual([
    ['a0'],
    [
      ['b0', 'b1', 'b2'],
      ['c0', 'c1'],
    ],
    [],
  ]);
  expect(rounds).toEqual([['a0', 'b0', 'c0'], ['b1', 'c1'], ['b2']]);
});

it('computations that ask nothing have no round', async () => {
  const { rounds, shards } = recorder();
  expect(await runRounds(shards, together(asking('a', 0), together()))).toEqual([[], []]);
  expect(rounds).toEqual([]);
});

it('a list is cut to pieces by number and by size, each of at least one item', () => {
  expect(piecesOf([1, 2, 3, 4, 5], { items: 2, bytes: 100 })).toEqual([[1, 2], [3, 4], [5]]);
  expect(piecesOf(['a', 'é', 'long', 'b'], { items: 9, bytes: 7 })).toEqual([['a', 'é'], ['long'], ['b']]);
  expect(piecesOf(['longer than that', 'b'], { items: 9, bytes: 5 })).toEqual([['longer than that'], ['b']]);
  expect(piecesOf([], { items: 2, bytes: 2 })).toEqual([]);
});
