import { describe, expect, it } from 'vitest';
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
