import type { SpanIds } from './holder-of-span.ts';
import type { WriteIdentity } from './idempotency-key.ts';
import type { ShardWriteRequest } from './shard-write.ts';

/**
 * One write of the public API. It does no I/O of its own: it checks what the client sent and says which shard key it
 * belongs to and what its owner is to be sent.
 */
export interface Write {
  /** What is written, for errors. */
  readonly name: string;
  /** Express route. */
  readonly path: string;
  plan(request: WriteRequest, context: WriteContext): WritePlan | RefusedWrite;
}

export interface WriteRequest {
  /** Decoded path parameters. */
  readonly path: Readonly<Record<string, string>>;
  /** The header as it came; absent when there is none. */
  readonly contentType: string | undefined;
  /** The header `Idempotency-Key` as it came. */
  readonly idempotencyKey?: string | undefined;
  readonly body: Buffer;
}

/** Pinned once per request. */
interface WriteContext {
  readonly nowNs: bigint;
  /** By which a shard tells a repeat. */
  readonly identity: WriteIdentity;
}

export interface WritePlan {
  readonly kind: 'write';
  /** The owner of its slot gets the write. */
  readonly key: Uint8Array;
  /** The span that the write replaces: whichever shard has it gets the write instead. */
  readonly replaces?: SpanIds;
  /** For a shard of ours. Sent again it changes nothing. */
  readonly embedded: ShardWriteRequest;
  /** For a tael-server, which answers as the public API does (read API contract §7.1). */
  readonly tael: ShardWriteRequest;
  /** JSON of the 201, from what a shard of ours answered. */
  answer(shardJson: string): string;
}

/** The error names the member, its value and what is accepted. */
export interface RefusedWrite {
  readonly kind: 'refused';
  readonly status: 400 | 415;
  readonly error: string;
}

const JSON_HEADERS = { 'content-type': 'application/json' } as const;

export function postJson(path: string, body: object): ShardWriteRequest {
  return { method: 'POST', path, headers: JSON_HEADERS, body: JSON.stringify(body) };
}

export function refused(error: string, status: RefusedWrite['status'] = 400): RefusedWrite {
  return { kind: 'refused', status, error };
}
