import type { Signal } from '../shared/otlp/signal.ts';
import type { Hash } from '../shared/topology/hash.ts';

/**
 * Names one whole request, so that a shard recognises a sender's repeat: 128 bits, two XXH64 of the uncompressed
 * protobuf with seeds drawn from the signal. The whole request is hashed, not the slice: two requests with a slice
 * in common stay apart, and the outcome does not depend on the number of shards.
 *
 * @returns 32 lower-case hex digits
 */
export function exportIdOf(signal: Signal, request: Buffer, hash: Hash): string {
  const seed = hash.hash64(Buffer.from(`otelfan export ${signal}`));
  return hex64(hash.hash64(request, seed)) + hex64(hash.hash64(request, seed ^ 0xffff_ffff_ffff_ffffn));
}

function hex64(value: bigint): string {
  return value.toString(16).padStart(16, '0');
}
