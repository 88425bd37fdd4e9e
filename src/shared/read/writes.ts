import { z } from 'zod';

/**
 * The internal write API of a shard: `POST /internal/v1/writes/<kind>` with a JSON body of the schema below. `id` is
 * made by the proxy and names the write for ever: sent again it changes nothing and is answered as before. 200 with
 * the stored thing, after it is committed and synced; 400 with `{"error"}` when the body does not fit, 503 when the
 * shard cannot take it and the same write may be tried again.
 *
 * Blobs: `PUT /internal/v1/blobs/<sha256>` with the raw bytes (400 when they have another hash), pinned for the eval
 * retention, and `GET` of the same path (404 when the shard does not have it).
 */
const id = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/);
const pathId = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/);
const nanos = z.string().regex(/^\d{1,20}$/, 'expected nanoseconds as a decimal string');
const hexId = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));

export const SHARD_WRITES = {
  /** Contract §1.2. Answered with the comment's row. */
  comment: z.strictObject({
    id,
    traceId: pathId,
    spanId: pathId.optional(),
    author: z.string(),
    body: z.string(),
    createdNs: nanos,
  }),
  /** Contract §1.5: a gauge `tael_eval_score` of service `tael-eval`. Answered with the metric's row. */
  score: z.strictObject({
    id,
    timeNs: nanos,
    value: z.number(),
    attributes: z.record(z.string(), z.string()),
  }),
  /** Contract §1.5. Replaces the span of the same ids, in aggregates too. Answered with the span's row. */
  runnerSpan: z.strictObject({
    id,
    traceId: hexId(32),
    spanId: hexId(16),
    startNs: nanos,
    endNs: nanos,
    status: z.enum(['ok', 'error', 'unset']),
    attributes: z.record(z.string(), z.string()),
  }),
} as const;

export type ShardWriteKind = keyof typeof SHARD_WRITES;
export type ShardWrite<K extends ShardWriteKind> = z.output<(typeof SHARD_WRITES)[K]>;

export const SHA256_FORM = /^[0-9a-f]{64}$/;
