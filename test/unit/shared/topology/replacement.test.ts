import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { replacementOf } from '../../../../src/shared/topology/replacement.ts';
import type { ShardSpec, TopologySpec } from '../../../../src/shared/topology/topology.ts';

function shard(id: string, change: Partial<ShardSpec> = {}): ShardSpec {
  return {
    id,
    kind: 'embedded',
    otlp: `http://${id}:4318`,
    read: `http://${id}:7800`,
    weight: 1,
    state: 'active',
    ...change,
  };
}

const CURRENT: TopologySpec = { version: 3, shards: [shard('s0'), shard('s1', { weight: 2 })] };

function withShards(version: number, ...shards: ShardSpec[]): TopologySpec {
  return { version, shards };
}

describe('replacing a topology', () => {
  it('does nothing when only the order of the shards differs', () => {
    const next = withShards(3, shard('s1', { weight: 2 }), shard('s0'));
    expect(replacementOf(CURRENT, next)).toEqual({ kind: 'same' });
  });

  it.each(['otlp', 'read'] as const)('takes another %s address under the same version', member => {
    const next = withShards(3, shard('s0', { [member]: 'http://elsewhere:1' }), shard('s1', { weight: 2 }));
    expect(replacementOf(CURRENT, next)).toEqual({ kind: 'accepted', warnings: [] });
  });

  it.each<[string, readonly ShardSpec[], string]>([
    ['another shard', [shard('s0'), shard('s1', { weight: 2 }), shard('s2')], 'shard s2 is added'],
    ['a shard less', [shard('s0')], 'shard s1 is left out'],
    ['another weight', [shard('s0'), shard('s1')], 'shard s1: weight is 1 instead of 2'],
    [
      'another state',
      [shard('s0', { state: 'draining' }), shard('s1', { weight: 2 })],
      'shard s0: state is draining instead of active',
    ],
    [
      'another kind',
      [shard('s0', { kind: 'tael' }), shard('s1', { weight: 2 })],
      'shard s0: kind is tael instead of embedded',
    ],
  ])('refuses %s under the same version, and takes it under a higher one', (_name, shards, change) => {
    expect(replacementOf(CURRENT, withShards(3, ...shards))).toEqual({
      kind: 'refused',
      reasons: [`${change}, but the version is still 3; a change of the map needs a higher one`],
    });
    expect(replacementOf(CURRENT, withShards(4, ...shards)).kind).toBe('accepted');
  });

  it('names everything that stands against it', () => {
    const outcome = replacementOf(CURRENT, withShards(3, shard('s0', { weight: 3, state: 'draining' })));
    expect(outcome.kind === 'refused' && outcome.reasons).toHaveLength(3);
  });

  it('refuses a lower version, whatever it says', () => {
    expect(replacementOf(CURRENT, { ...CURRENT, version: 2 })).toEqual({
      kind: 'refused',
      reasons: ['version 2 is below 3, which is in force; versions only go up'],
    });
  });

  it('warns when a shard leaves the map, because what it stores is not read any more', () => {
    expect(replacementOf(CURRENT, withShards(4, shard('s0')))).toEqual({
      kind: 'accepted',
      warnings: [expect.stringContaining('shard s1 left the map: what it stores is not read any more')],
    });
  });

  it('warns when a shard is removed without draining, and not when it drained before', () => {
    const removed = withShards(5, shard('s0'), shard('s1', { state: 'removed' }));
    expect(replacementOf(CURRENT, removed)).toMatchObject({ warnings: [expect.stringContaining('s1')] });
    const draining = withShards(4, shard('s0'), shard('s1', { state: 'draining' }));
    expect(replacementOf(draining, removed)).toEqual({ kind: 'accepted', warnings: [] });
  });

  it('never takes another map under the version in force', () => {
    const shards = fc.uniqueArray(
      fc.record({
        id: fc.constantFrom('s0', 's1', 's2', 's3'),
        weight: fc.constantFrom(1, 2),
        state: fc.constantFrom('active' as const, 'draining' as const, 'removed' as const),
        otlp: fc.constantFrom('http://a', 'http://b'),
      }),
      { selector: ({ id }) => id, minLength: 1 },
    );
    const placement = (list: readonly ShardSpec[]) =>
      list.map(({ id, kind, weight, state }) => `${id} ${kind} ${weight} ${state}`).sort();
    fc.assert(
      fc.property(shards, shards, (before, after) => {
        const specOf = (list: typeof before) =>
          withShards(1, ...list.map(({ id, ...rest }) => shard(id, rest)));
        const [current, next] = [specOf(before), specOf(after)];
        if (replacementOf(current, next).kind !== 'refused') {
          expect(placement(next.shards)).toEqual(placement(current.shards));
        }
      }),
    );
  });
});
