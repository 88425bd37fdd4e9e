import { setImmediate } from 'node:timers/promises';
import type { ShardReadName, ShardReadRequest } from '../../shared/read/contract.ts';
import type { RowPart } from '../merge/row-part.ts';
import type { ShardQuery, ShardReads } from './read.ts';

/**
 * A computation over all shards in rounds. It yields the questions of its next round and goes on with what the shards
 * gave: for each question one part a shard, always of the same shards in the same order. It does no I/O, so
 * {@link together} can let several share their rounds. One that computes for long yields {@link NO_QUESTION} now and
 * then, so that the process can do something else.
 */
export type Rounds<T> = Generator<readonly ShardQuery[], T, Given>;

type Given = readonly (readonly RowPart[])[];

export async function runRounds<T>(shards: Pick<ShardReads, 'askTogether'>, rounds: Rounds<T>): Promise<T> {
  let step = rounds.next();
  while (!step.done) {
    const questions = step.value;
    step = rounds.next(questions.length === 0 ? await setImmediate([]) : await shards.askTogether(questions));
  }
  return step.value;
}

export const NO_QUESTION: readonly ShardQuery[] = [];

/** One question in a round. */
export function* ask<N extends ShardReadName>(
  name: N,
  request: ShardReadRequest<N>,
): Rounds<readonly RowPart[]> {
  const [parts] = yield [{ name, request } as ShardQuery];
  return parts as readonly RowPart[];
}

type Results<R extends readonly Rounds<unknown>[]> = {
  readonly [K in keyof R]: R[K] extends Rounds<infer T> ? T : never;
};

/** Computations in step: as many rounds as the longest of them has. */
export function* together<const R extends readonly Rounds<unknown>[]>(...all: R): Rounds<Results<R>> {
  const steps = all.map(each => ({ each, at: each.next() }));
  for (;;) {
    const questions = steps.map(({ at }) => (at.done ? [] : at.value));
    if (steps.every(({ at }) => at.done)) return steps.map(({ at }) => at.value) as Results<R>;
    const given = yield questions.flat();
    let start = 0;
    for (const [index, step] of steps.entries()) {
      const end = start + (questions[index]?.length ?? 0);
      if (!step.at.done) step.at = step.each.next(given.slice(start, end));
      start = end;
    }
  }
}
