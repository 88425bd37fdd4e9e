import xxhash from 'xxhash-wasm';

const SLOT_BITS = 14;

/** Slots of every topology; a power of two so that a slot is the low bits of the hash. Never changes. */
export const SLOT_COUNT = 2 ** SLOT_BITS;

/**
 * The one hash of the product: XXH64, by which records find their slot, slots their shard and exports their id.
 * Frozen: test vectors pin it, because a change would move every key.
 */
export interface Hash {
  /** Slot of a shard key: `xxh64(key, seed 0) & 16383`. */
  slot(key: Uint8Array): number;
  hash64(bytes: Uint8Array, seed?: bigint): bigint;
}

/** 16 lower-case hex digits. */
export function hex64(hash: bigint): string {
  return hash.toString(16).padStart(16, '0');
}

export async function createHash(): Promise<Hash> {
  const { h64Raw } = await xxhash();
  return {
    slot: key => Number(BigInt.asUintN(SLOT_BITS, h64Raw(key))),
    hash64: (bytes, seed = 0n) => h64Raw(bytes, seed),
  };
}
