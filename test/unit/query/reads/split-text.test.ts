import { describe, expect, it } from 'vitest';
import type { ShardQuery } from '../../../../src/query/reads/read.ts';
import { runRounds } from '../../../../src/query/reads/rounds.ts';
import { completeText } from '../../../../src/query/reads/split-text.ts';
import { MOST_TRACES_WITH_TEXT, SHARD_READS } from '../../../../src/shared/read/contract.ts';
import { type Give, partOf, shardReads } from '../../../support/rounds.ts';

const REQUEST = { text: 'card declined', fromNs: '5', service: 'shop', limit: 10 };
const idOf = (no: number) => no.toString(16).padStart(32, '0');
const whole = { has: [0, 1], of: 2 };

function slotsOf(...ranges: [number, number][]) {
  return ranges.map((range, index) => partOf(`s${index}`, [{ key: [], row: { slots: [range] } }]));
}

async function complete(give: Give) {
  const asked: ShardQuery[] = [];
  const shards = shardReads(query => {
    asked.push(query);
    return give(query);
  });
  const prepared = await runRounds(shards, completeText(REQUEST, REQUEST.text));
  return { prepared, asked };
}

/** So many traces lie whole on the first shard; it, and the second one, show spans of some. */
function manyTraces(count: number, shownOnSecond: readonly number[]): Give {
  const numbers = Array.from({ length: count }, (_, no) => no + 1);
  const shown = (id: string, of: readonly number[]) =>
    partOf(
      id,
      of.map(no => ({ key: ['', idOf(no)], row: {} })),
    );
  return ({ name }) => {
    if (name === 'spanSlots') return slotsOf([0, 9], [5, 20]);
    if (name === 'traceIds') return [shown('s0', numbers), shown('s1', shownOnSecond)];
    return [
      partOf(
        's0',
        numbers.map(no => ({ key: [idOf(no)], row: whole })),
      ),
    ];
  };
}

describe('a search in the texts of traces', () => {
  it('asks only for the slots where no slot has traces on several shards', async () => {
    const { prepared, asked } = await complete(() => slotsOf([0, 9], [10, 20]));
    expect(asked.map(({ name }) => name)).toEqual(['spanSlots']);
    expect(prepared).toEqual({ kind: 'request', request: REQUEST });
  });

  it('tells of the traces in the slots that several shards have', async () => {
    const { prepared, asked } = await complete(manyTraces(2, []));
    expect(asked).toEqual([
      { name: 'spanSlots', request: {} },
      { name: 'traceTerms', request: { text: REQUEST.text, slots: [[5, 9]] } },
    ]);
    expect(prepared).toEqual({
      kind: 'request',
      request: { ...REQUEST, tracesWithText: [idOf(1), idOf(2)] },
    });
  });

  it('tells, of too many, only of those that a shard shows and does not hold by itself', async () => {
    const { prepared, asked } = await complete(manyTraces(MOST_TRACES_WITH_TEXT + 1, [3, 7]));
    expect(asked.at(-1)).toEqual({
      name: 'traceIds',
      request: { fromNs: '5', service: 'shop', slots: [[5, 9]], limit: 4_294_967_295 },
    });
    expect(prepared).toMatchObject({ request: { tracesWithText: [idOf(3), idOf(7)] } });
  });

  it('is refused with the bound when even those are too many', async () => {
    const count = MOST_TRACES_WITH_TEXT + 1;
    const all = Array.from({ length: count }, (_, no) => no + 1);
    expect((await complete(manyTraces(count, all))).prepared).toEqual({
      kind: 'refused',
      status: 413,
      error:
        'more than 20000 traces that lie on several shards hold the text, as many as a shard can be told of: narrow the window or add words',
    });
  });

  it('may tell of as many traces as a shard takes', async () => {
    const { prepared } = await complete(manyTraces(MOST_TRACES_WITH_TEXT, []));
    expect(prepared.kind === 'request' && SHARD_READS.spans.safeParse(prepared.request).success).toBe(true);
  });
});
