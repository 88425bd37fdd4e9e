/**
 * The one status table of the OTLP doors: what went wrong, as HTTP and as gRPC say it, and whether a conforming
 * sender repeats the request (OTLP specification, "Failures" for gRPC and HTTP). Nothing else in the code base
 * picks a status for an OTLP answer. Delivery is more patient with what shards answer than OTLP asks of a sender, and
 * has rules of its own.
 */
export const CONDITIONS = {
  malformed: { http: 400, grpc: 3, retryable: false },
  unsupportedMediaType: { http: 415, grpc: 3, retryable: false },
  unsupportedEncoding: { http: 415, grpc: 12, retryable: false },
  methodNotAllowed: { http: 405, grpc: 12, retryable: false },
  notFound: { http: 404, grpc: 12, retryable: false },
  /** To a batch of which a shard has some records already; see `batch-header`. Plain OTLP never meets it. */
  partlyStored: { http: 409, grpc: 9, retryable: false },
  /** RESOURCE_EXHAUSTED without RetryInfo: the same body would be too large again. */
  tooLarge: { http: 413, grpc: 8, retryable: false },
  /** We cannot store it now. Never 500: OTLP senders drop the data on a 500. */
  unavailable: { http: 503, grpc: 14, retryable: true },
  internal: { http: 500, grpc: 13, retryable: false },
} as const satisfies Record<string, { http: number; grpc: number; retryable: boolean }>;

export type Condition = keyof typeof CONDITIONS;

const RETRY_AFTER_MIN_MS = 1_000;
/** SDKs give up after ten seconds in all; told to wait longer than they have left, they drop the data at once. */
const RETRY_AFTER_MAX_MS = 5_000;

/** How long a sender is asked to wait before it repeats; `undefined` when it must not. */
export function retryDelayMs(condition: Condition, wishMs = RETRY_AFTER_MIN_MS): number | undefined {
  if (!CONDITIONS[condition].retryable) return undefined;
  return Math.min(Math.max(wishMs, RETRY_AFTER_MIN_MS), RETRY_AFTER_MAX_MS);
}
