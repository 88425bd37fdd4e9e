import type { Signal } from '../shared/otlp/signal.ts';
import { type Hash, hex64 } from '../shared/topology/hash.ts';

interface Export {
  readonly signal: Signal;
  /** The whole request, uncompressed protobuf. */
  readonly request: Buffer;
  /** The version that split it. */
  readonly topologyVersion: number;
}

/**
 * Names one whole request as one topology splits it, so that a shard recognises a sender's repeat: 128 bits, two
 * XXH64 of the uncompressed protobuf with seeds drawn from the signal and the topology version. The whole request is
 * hashed, not the slice: two requests with a slice in common stay apart. The version is part of the name because
 * another version cuts other slices: a shard that has its old slice must not take the new one, with records that
 * moved to it since, for a repeat.
 *
 * @returns 32 lower-case hex digits
 */
export function exportIdOf({ signal, request, topologyVersion }: Export, hash: Hash): string {
  const seed = hash.hash64(Buffer.from(`otelfan export ${signal} ${topologyVersion}`));
  return hex64(hash.hash64(request, seed)) + hex64(hash.hash64(request, seed ^ 0xffff_ffff_ffff_ffffn));
}
