import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareKeys } from '../../../../src/query/merge/key-order.ts';
import { repeatedTraces } from '../../../../src/query/reads/repeated-traces.ts';
import { runRounds } from '../../../../src/query/reads/rounds.ts';
import { servicesRead } from '../../../../src/query/reads/services.ts';
import { summaryRead } from '../../../../src/query/reads/summary.ts';
import { type Give, membersOf, partOf, shardReads } from '../../../support/rounds.ts';

const SLOTS = { s0: [[0, 9]], s1: [[5, 20]] };
const slotsOf = Object.entries(SLOTS).map(([id, slots]) => partOf(id, [{ key: [], row: { slots } }]));
const ids = (shardId: string, ...keys: [string, string][]) =>
  partOf(
    shardId,
    keys.map(([service, trace]) => ({ key: [service, trace.repeat(32)], row: {} })),
  );

describe('F5: traces that lie on several shards', () => {
  it('are counted once in a summary', async () => {
    const asked: unknown[] = [];
    const give: Give = ({ name, request }) => {
      if (name === 'spanSlots') return slotsOf;
      if (name === 'traceIds') {
        asked.push(request.slots);
        return [ids('s0', ['', 'a'], ['', 'b']), ids('s1', ['', 'b'])];
      }
      if (name !== 'spanTotals') return [];
      const totals = { span_count: 3, trace_count: 2, error_count: 0, duration_sum_ns: '0' };
      return ['s0', 's1'].map(id => partOf(id, [{ key: [], row: totals }]));
    };
    const { traces } = JSON.parse(`{${await membersOf(summaryRead, shardReads(give))}}`);
    expect(traces).toMatchObject({ span_count: 6, trace_count: 3 });
    expect(asked).toEqual([[[5, 9]]]);
  });

  it('are counted once for each service', async () => {
    const state = (service: string, traces: number) => ({
      key: [service],
      row: { service, span_count: 9, trace_count: traces, error_count: 0, duration_sum_ns: '0' },
    });
    const give: Give = ({ name }) => {
      if (name === 'spanSlots') return slotsOf;
      if (name === 'traceIds') return [ids('s0', ['a', '1'], ['b', '1']), ids('s1', ['a', '1'], ['b', '2'])];
      return ['s0', 's1'].map(id => partOf(id, [state('a', 4), state('b', 1)]));
    };
    const { services } = JSON.parse(`{${await membersOf(servicesRead, shardReads(give))}}`);
    expect(services).toMatchObject([
      { name: 'a', trace_count: 7 },
      { name: 'b', trace_count: 2 },
    ]);
  });

  it('are not looked for where no slot is on two shards', async () => {
    const names: string[] = [];
    const give: Give = ({ name }) => {
      names.push(name);
      return name === 'spanSlots' ? [slotsOf[0] as (typeof slotsOf)[0]] : [];
    };
    await membersOf(servicesRead, shardReads(give));
    expect(names.sort()).toEqual(['services', 'spanSlots']);
  });
});

type TraceKey = readonly [service: string, trace: string];

const byKey = (a: TraceKey, b: TraceKey) => compareKeys(a, b, ['ascending', 'ascending']);

/** Shards that have these traces, sorted unless that is the point, and give as many of them as they are asked for. */
function holding(shards: readonly (readonly TraceKey[])[]): Give {
  return ({ name, request }) =>
    shards.map((keys, index) => {
      if (name === 'spanSlots') return partOf(`s${index}`, [{ key: [], row: { slots: [[0, 9]] } }]);
      if (name !== 'traceIds') throw new Error(name);
      const { startAt, limit } = request;
      const wanted = keys.filter(key => startAt === undefined || byKey(key, startAt as TraceKey) >= 0);
      return partOf(
        `s${index}`,
        wanted.slice(0, limit).map(key => ({ key, row: {} })),
      );
    });
}

describe('traces that are counted too often', () => {
  const key = fc.tuple(fc.constantFrom('a', 'b', '\uffee', '😀'), fc.constantFrom('1', '2', '3', '4'));
  const held = fc.uniqueArray(key, { selector: each => each.join(' ') }).map(keys => keys.toSorted(byKey));

  it('are what the sum over the shards has over the traces there are, of each service, page by page', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(held, { minLength: 2, maxLength: 4 }),
        fc.integer({ min: 2, max: 20 }),
        async (shards, limit) => {
          const repeats = await runRounds(
            shardReads(holding(shards)),
            repeatedTraces({ byService: true }, limit),
          );
          for (const service of ['a', 'b', '\uffee', '😀']) {
            const all = shards.flat().filter(([name]) => name === service);
            const distinct = new Set(all.map(([, trace]) => trace));
            expect(repeats.get(service) ?? 0).toBe(all.length - distinct.size);
          }
        },
      ),
    );
  });

  it('are asked for a page at a time, which begins where all shards were compared up to', async () => {
    const keys = Array.from({ length: 7 }, (_, no): TraceKey => ['', String(no)]);
    const pages: unknown[] = [];
    const give = holding([keys, keys.slice(4)]);
    const counted = shardReads(query => {
      if (query.name === 'traceIds') pages.push([query.request.startAt?.[1], query.request.limit]);
      return give(query);
    });
    const repeats = await runRounds(counted, repeatedTraces({ byService: false }, 4));
    expect(repeats).toEqual(new Map([['', 3]]));
    expect(pages).toEqual([
      [undefined, 4],
      ['3', 4],
      ['6', 4],
    ]);
  });

  it('are compared with breaks, in which the process does something else', async () => {
    const keys = Array.from({ length: 20_000 }, (_, no): TraceKey => ['', String(no).padStart(32, '0')]);
    const shards = shardReads(holding([keys, keys]));
    let turns = 0;
    let isDone = false;
    const turn = () => {
      turns++;
      if (!isDone) setImmediate(turn);
    };
    setImmediate(turn);
    await runRounds(shards, repeatedTraces({ byService: false }));
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(4);
  });

  it.each<[string, readonly (readonly string[])[]]>([
    [
      'out of order',
      [
        ['a', '2'],
        ['a', '1'],
      ],
    ],
    [
      'twice',
      [
        ['a', '1'],
        ['a', '1'],
      ],
    ],
    ['of another read', [['a'], ['b']]],
  ])('blame the shard that sends rows %s', async (_what, keys) => {
    const sound: TraceKey[] = [
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
    ];
    const asked = runRounds(
      shardReads(holding([sound, keys as readonly TraceKey[]])),
      repeatedTraces({ byService: true }),
    );
    await expect(asked).rejects.toMatchObject({ shardId: 's1' });
  });
});
