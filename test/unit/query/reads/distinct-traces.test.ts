import { describe, expect, it } from 'vitest';
import { distinctTraces, slotsCountedById } from '../../../../src/query/reads/distinct-traces.ts';
import { runRounds } from '../../../../src/query/reads/rounds.ts';
import { servicesRead } from '../../../../src/query/reads/services.ts';
import { summaryRead } from '../../../../src/query/reads/summary.ts';
import { membersOf, partOf, shardReads } from '../../../support/rounds.ts';

const MOVED: [number, number][] = [[5, 9]];

describe('F5: traces that lie on several shards', () => {
  it('are counted once in a summary', async () => {
    const asked: unknown[] = [];
    const shards = shardReads(({ name, request }) => {
      if (name === 'traceIds')
        return ['s0', 's1'].map(id => partOf(id, [{ key: ['', 'a'.repeat(32)], row: {} }]));
      if (name !== 'spanTotals') return [];
      asked.push(request.slotsElsewhere);
      const totals = { span_count: 3, trace_count: 2, error_count: 0, duration_sum_ns: '0' };
      return ['s0', 's1'].map(id => partOf(id, [{ key: [], row: totals }]));
    }, MOVED);
    const { traces } = JSON.parse(`{${await membersOf(summaryRead, shards)}}`);
    expect(traces).toMatchObject({ span_count: 6, trace_count: 5 });
    expect(asked).toEqual([MOVED]);
  });

  it('are counted once for each service', async () => {
    const shards = shardReads(({ name }) => {
      const keys = ['a', 'b'].flatMap(service => ['1', '2'].map(id => [service, id]));
      if (name === 'traceIds')
        return [
          partOf(
            's0',
            keys.map(key => ({ key, row: {} })),
          ),
          partOf('s1', [{ key: ['a', '1'], row: {} }]),
        ];
      const state = { service: 'a', span_count: 9, trace_count: 4, error_count: 0, duration_sum_ns: '0' };
      return [partOf('s0', [{ key: ['a'], row: state }])];
    }, MOVED);
    const { services } = JSON.parse(`{${await membersOf(servicesRead, shards)}}`);
    expect(services).toMatchObject([{ name: 'a', trace_count: 6 }]);
  });

  it('cost nothing while no slots have moved', async () => {
    const shards = shardReads(() => {
      throw new Error('asked');
    });
    const counted = await runRounds(shards, distinctTraces({ slots: [], byService: false }));
    expect(counted).toEqual(new Map());
  });
});

describe('slots whose traces are counted by their ids', () => {
  it('are those that moved', () => {
    expect(
      slotsCountedById([
        [7, 9],
        [1, 2],
      ]),
    ).toEqual([
      [1, 2],
      [7, 9],
    ]);
    expect(slotsCountedById([])).toEqual([]);
  });

  it('are more where a request could not name them: the narrowest gaps are closed', () => {
    const far: [number, number][] = Array.from({ length: 999 }, (_, index) => [10 * index, 10 * index + 1]);
    const close: [number, number][] = [
      [10_003, 10_004],
      [10_006, 10_006],
      [10_007, 10_010],
    ];
    expect(slotsCountedById([...far, ...close])).toEqual([...far, [10_003, 10_010]]);
  });

  it('hold every slot that moved, in at most a thousand ranges', () => {
    const moved: [number, number][] = Array.from({ length: 4000 }, (_, index) => [
      4 * index + (index % 3),
      4 * index + (index % 3),
    ]);
    const ranges = slotsCountedById(moved);
    expect(ranges.length).toBeLessThanOrEqual(1000);
    for (const [slot] of moved) expect(ranges.some(([from, to]) => slot >= from && slot <= to)).toBe(true);
  });
});
