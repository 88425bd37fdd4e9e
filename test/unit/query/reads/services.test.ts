import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BrokenPart, type RowPart } from '../../../../src/query/merge/row-part.ts';
import { servicesRead } from '../../../../src/query/reads/services.ts';
import type { ServiceState } from '../../../../src/shared/read/contract.ts';
import { rowLine } from '../../../../src/shared/read/ndjson.ts';
import { answerOf } from '../../../support/plan.ts';

function part(shardId: string, states: readonly ServiceState[]): RowPart {
  const lines = states.map(state => rowLine([state.service], JSON.stringify(state)));
  return { shardId, lines: Buffer.from(lines.join('')) };
}

async function combine(...parts: RowPart[]): Promise<unknown[]> {
  const combined = await answerOf(servicesRead, '', ({ name }) => (name === 'services' ? parts : []));
  if (combined.kind !== 'found') throw new Error('services are always found');
  return JSON.parse(`{${combined.members}}`).services;
}

const state = (service: string, spans: number, sum = '0', errors = 0): ServiceState => ({
  service,
  span_count: spans,
  trace_count: spans,
  error_count: errors,
  duration_sum_ns: sum,
});

describe('services', () => {
  it('have their average and error rate from the sums of all shards, not from averages', async () => {
    const slow = state('web', 1, '900000000', 1);
    const fast = state('web', 99, '99000000', 0);
    expect(await combine(part('s0', [slow]), part('s1', [fast]))).toEqual([
      { name: 'web', span_count: 100, trace_count: 100, avg_duration_ms: 9.99, error_rate: 0.01 },
    ]);
  });

  it('are ordered by spans, then by name as UTF-8', async () => {
    const states = [state('\uffee', 1), state('a', 1), state('big', 5), state('😀', 1)];
    expect(await combine(part('s0', states))).toMatchObject(
      ['big', 'a', '\uffee', '😀'].map(name => ({ name })),
    );
  });

  it('without spans have an average and an error rate of 0', async () => {
    expect(await combine(part('s0', [state('idle', 0)]))).toMatchObject([
      { avg_duration_ms: 0, error_rate: 0 },
    ]);
  });

  it('do not depend on how spans are spread over shards', async () => {
    const span = fc.record({
      service: fc.constantFrom('a', 'b', 'c'),
      durationNs: fc.bigInt(-(2n ** 62n), 2n ** 62n),
      shard: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(span, { maxLength: 40 }), async spans => {
        const spread = [0, 1, 2, 3].map(shard =>
          part(
            `s${shard}`,
            spans
              .filter(each => each.shard === shard)
              .map(each => state(each.service, 1, String(each.durationNs))),
          ),
        );
        const whole = part(
          's0',
          spans.map(each => state(each.service, 1, String(each.durationNs))),
        );
        expect(await combine(...spread)).toEqual(await combine(whole));
      }),
    );
  });

  it.each(['{"service":"a"}', '{"service":"a","span_count":1.5}', 'null', 'nonsense'])(
    'blame the shard that sends %s',
    async rowJson => {
      const broken = { shardId: 's1', lines: Buffer.from(rowLine(['a'], rowJson)) };
      await expect(combine(part('s0', []), broken)).rejects.toThrow(BrokenPart);
    },
  );
});
