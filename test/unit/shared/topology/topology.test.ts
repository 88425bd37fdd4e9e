import { describe, expect, it } from 'vitest';
import { createHash, SLOT_COUNT } from '../../../../src/shared/topology/hash.ts';
import { assignSlots } from '../../../../src/shared/topology/rendezvous.ts';
import { createTopology, type ShardSpec } from '../../../../src/shared/topology/topology.ts';

const hash = await createHash();

function shards(count: number, change: Partial<ShardSpec> = {}): ShardSpec[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `s${index}`,
    kind: 'embedded',
    otlp: 'http://127.0.0.1:1',
    read: 'http://127.0.0.1:2',
    weight: 1,
    state: 'active',
    ...change,
  }));
}

function countsOf(owners: Uint16Array, shardCount: number): number[] {
  const counts = new Array<number>(shardCount).fill(0);
  for (const owner of owners) counts[owner] = (counts[owner] ?? 0) + 1;
  return counts;
}

describe('F16: slots', () => {
  // Data lies where these say. A change here moves every key of every installation.
  it.each([
    ['', 10_649],
    ['a', 11_867],
    ['checkout', 10_653],
  ])('the slot of %j never changes', (key, slot) => {
    expect(hash.slot(Buffer.from(key))).toBe(slot);
  });

  it('the slot of a trace id is taken from its 16 bytes and never changes', () => {
    expect(hash.slot(Buffer.from('4bf92f3577b34da6a3ce929d0e0e4736', 'hex'))).toBe(14_326);
  });

  it('the hash is XXH64, as its published vector for the empty input says', () => {
    expect(hash.hash64(Buffer.alloc(0))).toBe(0xef46db3751d8e999n);
  });
});

describe('rendezvous', () => {
  it('F16: the owners of the first slots among three equal shards never change', () => {
    const { owners } = createTopology({ version: 1, shards: shards(3) }, hash);
    expect([...owners.slice(0, 24)]).toEqual([
      0, 0, 2, 0, 0, 1, 2, 1, 2, 1, 1, 1, 2, 0, 2, 1, 1, 1, 1, 1, 2, 0, 1, 0,
    ]);
    expect(countsOf(owners, 3)).toEqual([5469, 5452, 5463]);
  });

  it('F17: a new shard takes slots from the others and moves none between them', () => {
    const before = assignSlots(shards(4), hash);
    const after = assignSlots(shards(5), hash);
    let moved = 0;
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (after[slot] === before[slot]) continue;
      expect(after[slot]).toBe(4);
      moved++;
    }
    expect(moved / SLOT_COUNT).toBeGreaterThan(0.18);
    expect(moved / SLOT_COUNT).toBeLessThan(0.22);
  });

  it('a shard of twice the weight owns twice the slots', () => {
    const [heavy, light] = shards(2) as [ShardSpec, ShardSpec];
    const [heavySlots = 0, lightSlots = 0] = countsOf(assignSlots([{ ...heavy, weight: 2 }, light], hash), 2);
    expect(heavySlots / lightSlots).toBeGreaterThan(1.9);
    expect(heavySlots / lightSlots).toBeLessThan(2.1);
  });

  it('the order of the shards in the configuration does not matter', () => {
    const list = shards(5);
    const reversed = [...list].reverse();
    const ids = [...assignSlots(list, hash)].map(index => list[index]?.id);
    expect([...assignSlots(reversed, hash)].map(index => reversed[index]?.id)).toEqual(ids);
  });

  it('a draining shard owns no slot and is still read from', () => {
    const [s0, s1] = shards(2) as [ShardSpec, ShardSpec];
    const topology = createTopology({ version: 2, shards: [{ ...s0, state: 'draining' }, s1] }, hash);
    expect(topology.active.map(shard => shard.id)).toEqual(['s1']);
    expect(topology.shards.map(shard => shard.id)).toEqual(['s0', 's1']);
    expect(new Set(topology.owners)).toEqual(new Set([0]));
  });

  it('a removed shard is neither read from nor given slots, and stays known for what is queued', () => {
    const [s0, s1, s2] = shards(3) as [ShardSpec, ShardSpec, ShardSpec];
    const topology = createTopology(
      { version: 3, shards: [{ ...s0, state: 'removed' }, s1, { ...s2, state: 'draining' }] },
      hash,
    );
    expect(topology.all.map(shard => shard.id)).toEqual(['s0', 's1', 's2']);
    expect(topology.shards.map(shard => shard.id)).toEqual(['s1', 's2']);
    expect(topology.active.map(shard => shard.id)).toEqual(['s1']);
  });
});

describe('the fingerprint of a topology', () => {
  const of = (specs: readonly ShardSpec[], version = 1, previous = [{ version: 0, shards: ['s0', 's1'] }]) =>
    createTopology({ version, shards: specs, previous }, hash).fingerprint;
  const [first, ...others] = shards(3) as [ShardSpec, ShardSpec, ShardSpec];

  it('is the same whatever the addresses and the order are', () => {
    expect(of(shards(3, { read: 'http://elsewhere:1' }).toReversed())).toBe(of(shards(3)));
    expect(of(shards(3), 1, [{ version: 0, shards: ['s1', 's0'] }])).toBe(of(shards(3)));
  });

  it.each([
    ['the version', of(shards(3), 2)],
    ['a shard more', of(shards(4))],
    ['a weight', of([{ ...first, weight: 2 }, ...others])],
    ['a state', of([{ ...first, state: 'draining' }, ...others])],
    ['what is read from besides', of(shards(3), 1, [{ version: 0, shards: ['s0'] }])],
  ])('is another with %s', (_what, fingerprint) => {
    expect(fingerprint).not.toBe(of(shards(3)));
  });
});
