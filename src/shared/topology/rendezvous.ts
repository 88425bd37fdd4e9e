import { type Hash, SLOT_COUNT } from './hash.ts';

interface WeightedShard {
  readonly id: string;
  readonly weight: number;
}

/**
 * Weighted rendezvous hashing of every slot: the shard with the highest `-weight / ln(u)` owns the slot, where `u`
 * in (0, 1) is drawn from `xxh64(slot as uint16 big-endian, shard id)`. A shard that joins takes its share of slots
 * evenly from all others and moves nothing between them; ties go to the smaller id. Frozen by test vectors.
 *
 * @returns for every slot the index of its owner in `shards`.
 */
export function assignSlots(shards: readonly WeightedShard[], hash: Hash): Uint16Array {
  const keys = shards.map(shard => Buffer.concat([Buffer.alloc(2), Buffer.from(shard.id)]));
  const owners = new Uint16Array(SLOT_COUNT);
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    let best = -1;
    let bestScore = -1;
    for (const [index, shard] of shards.entries()) {
      const key = keys[index] as Buffer;
      key.writeUInt16BE(slot);
      const score = -shard.weight / Math.log(unitInterval(hash.hash64(key)));
      if (score > bestScore || (score === bestScore && shard.id < (shards[best]?.id ?? ''))) {
        best = index;
        bestScore = score;
      }
    }
    owners[slot] = best;
  }
  return owners;
}

/** The upper 52 bits, moved off both ends of [0, 1) by half a step. */
function unitInterval(hash: bigint): number {
  return (Number(hash >> 12n) + 0.5) / 2 ** 52;
}
