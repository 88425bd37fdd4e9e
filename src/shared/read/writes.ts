import { z } from 'zod';
import { READ_API_VERSION } from './contract.ts';

/**
 * The internal write API of a shard: `POST /internal/v1/writes/<kind>` with a JSON body of the schema below. `id` is
 * made by the proxy and names the write for ever: sent again it changes nothing and is answered as before. 200 with
 * the stored row of the read API, after it is committed and synced; 400 with `{"error"}` when the body does not fit,
 * 413 when it is larger than {@link MAX_WRITE_BYTES}, 503 when the shard cannot take it now, or cannot tell whether it is
 * stored, and the same write may be tried again. With a `fingerprint` the answer is kept for as long as the id is
 * remembered, and is that of a repeat whatever else its body says; 409 when the id came with another fingerprint before.
 *
 * Blobs: `PUT /internal/v1/blobs/<sha256>` with the raw bytes, at most {@link MAX_BLOB_BYTES}, is answered 200 with
 * {@link StoredBlob} once they are committed and synced; 400 when they have another hash. They are pinned for the
 * eval retention, counted from the last PUT. `GET` of the same path answers with the bytes of any blob of the shard,
 * uploaded or taken out of a span or a log record, after comparing them with the hash; 404 with the error {@link BLOB_NOT_FOUND}
 * when it does not have it.
 */
export const MAX_WRITE_BYTES = 4 * 1024 * 1024;
export const MAX_BLOB_BYTES = 2 * 1024 * 1024;

/** Tells that a blob is not there from a 404 of whoever else may answer at the address. */
export const BLOB_NOT_FOUND = 'blob not found';

export const SHA256_FORM = /^[0-9a-f]{64}$/;

const MAX_UINT64 = 2n ** 64n - 1n;

const id = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/, 'expected 1 to 128 of A-Z a-z 0-9 . _ : -');
/** Half of a surrogate pair is no character: UTF-8 cannot hold it, and it could not come back as it was. */
const text = z.string().refine(value => value.isWellFormed(), 'expected text without lone surrogates');
const nanos = z
  .string()
  .refine(
    value => /^\d{1,20}$/.test(value) && BigInt(value) <= MAX_UINT64,
    'expected nanoseconds as a decimal string, below 2^64',
  );
const hexId = (digits: number) =>
  z
    .string()
    .regex(
      new RegExp(`^(?!0+$)[0-9a-f]{${digits}}$`),
      `expected ${digits} lower-case hex digits, not all zero`,
    );

const identity = {
  id,
  /** Of what a client sent under a key of its own. */
  fingerprint: z.string().regex(SHA256_FORM, 'expected 64 lower-case hex digits').optional(),
};

export const SHARD_WRITES = {
  /** Contract §1.2. Answered with its `CommentRow`. */
  comment: z.strictObject({
    ...identity,
    traceId: id,
    spanId: id.optional(),
    author: text,
    body: text,
    createdNs: nanos,
  }),
  /** Contract §1.5: a gauge `tael_eval_score` of service `tael-eval`. Answered with its `MetricRow`. */
  score: z.strictObject({
    ...identity,
    timeNs: nanos,
    value: z.number(),
    attributes: z.record(text, text),
  }),
  /** Contract §1.5. Replaces the span of the same ids, in aggregates too. Answered with its `SpanRow`. */
  runnerSpan: z.strictObject({
    ...identity,
    traceId: hexId(32),
    spanId: hexId(16),
    startNs: nanos,
    endNs: nanos,
    status: z.enum(['ok', 'error', 'unset']),
    attributes: z.record(text, text),
  }),
} as const;

export type ShardWriteKind = keyof typeof SHARD_WRITES;
export type ShardWrite<K extends ShardWriteKind> = z.output<(typeof SHARD_WRITES)[K]>;

export function writePath(kind: ShardWriteKind): string {
  return `/internal/${READ_API_VERSION}/writes/${kind}`;
}

export function blobPath(sha256: string): string {
  return `/internal/${READ_API_VERSION}/blobs/${sha256}`;
}

export interface StoredBlob {
  readonly sha256: string;
  readonly size: number;
}
