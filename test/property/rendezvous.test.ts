import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHash, SLOT_COUNT } from '../../src/shared/topology/hash.ts';
import { movesBetween, slotCounts } from '../../src/shared/topology/movement.ts';
import { createTopology, ownerOf, type ShardSpec } from '../../src/shared/topology/topology.ts';

const hash = await createHash();

const ids = fc.uniqueArray(fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/), { minLength: 2, maxLength: 8 });
const weights = fc.constantFrom(0.5, 1, 1, 1, 2, 4);
/** Shards that are all active, with different weights. */
const shardLists = ids.chain(list => fc.tuple(...list.map(id => weights.map(weight => shard(id, weight)))));

function shard(id: string, weight = 1): ShardSpec {
  return { id, kind: 'embedded', otlp: `http://${id}`, read: `http://${id}`, weight, state: 'active' };
}

const topologyOf = (shards: readonly ShardSpec[]) => createTopology({ version: 1, shards }, hash);

describe('placement', () => {
  it('F17: a shard that joins takes its share of the slots, and nothing moves between the others', () => {
    fc.assert(
      fc.property(shardLists, shards => {
        const [newcomer, ...old] = shards as [ShardSpec, ...ShardSpec[]];
        const moves = movesBetween(topologyOf(old), topologyOf(shards));
        expect(new Set(moves.map(move => move.to))).toEqual(new Set([newcomer.id]));
        const moved = moves.reduce((sum, move) => sum + move.slots, 0);
        const share = newcomer.weight / shards.reduce((sum, { weight }) => sum + weight, 0);
        // Five standard deviations of a fair draw for every slot.
        const slack = 5 * Math.sqrt(SLOT_COUNT * share * (1 - share));
        expect(Math.abs(moved - SLOT_COUNT * share)).toBeLessThan(slack);
      }),
      { numRuns: 40 },
    );
  });

  it('F17: a shard that drains gives up its slots and no other slot moves', () => {
    fc.assert(
      fc.property(shardLists, shards => {
        const [leaving, ...staying] = shards as [ShardSpec, ...ShardSpec[]];
        const before = topologyOf(shards);
        const after = topologyOf([{ ...leaving, state: 'draining' }, ...staying]);
        const moves = movesBetween(before, after);
        expect(moves.every(move => move.from === leaving.id)).toBe(true);
        expect(moves.reduce((sum, move) => sum + move.slots, 0)).toBe(slotCounts(before).get(leaving.id));
      }),
      { numRuns: 40 },
    );
  });

  it('every slot has exactly one owner, and it does not depend on the order of the shards or on their addresses', () => {
    fc.assert(
      fc.property(shardLists, fc.nat(), (shards, turn) => {
        const list = shards;
        const at = turn % list.length;
        const turned = [...list.slice(at), ...list.slice(0, at)].map(spec => ({
          ...spec,
          otlp: 'http://moved',
        }));
        const [one, other] = [topologyOf(list), topologyOf(turned)];
        for (let slot = 0; slot < SLOT_COUNT; slot += 7) {
          expect(ownerOf(other, slot).id).toBe(ownerOf(one, slot).id);
        }
        const total = [...slotCounts(one).values()].reduce((sum, count) => sum + count, 0);
        expect(total).toBe(SLOT_COUNT);
      }),
      { numRuns: 20 },
    );
  });
});
