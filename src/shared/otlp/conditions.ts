/**
 * The one status table of the OTLP doors: what went wrong, as HTTP and as gRPC say it, and whether a conforming
 * sender repeats the request (OTLP specification, "Failures" for gRPC and HTTP). Nothing else in the code base
 * picks a status for an OTLP answer, and nothing else interprets one.
 */
export const CONDITIONS = {
  malformed: { http: 400, grpc: 3, retryable: false },
  unsupportedMediaType: { http: 415, grpc: 3, retryable: false },
  unsupportedEncoding: { http: 415, grpc: 12, retryable: false },
  methodNotAllowed: { http: 405, grpc: 12, retryable: false },
  notFound: { http: 404, grpc: 12, retryable: false },
  /** RESOURCE_EXHAUSTED without RetryInfo: the same body would be too large again. */
  tooLarge: { http: 413, grpc: 8, retryable: false },
  /** The sender is over its own limit; gRPC needs RetryInfo to make RESOURCE_EXHAUSTED retryable. */
  throttled: { http: 429, grpc: 8, retryable: true },
  /** We cannot store it now. Never 500: OTLP senders drop the data on a 500. */
  unavailable: { http: 503, grpc: 14, retryable: true },
  internal: { http: 500, grpc: 13, retryable: false },
} as const satisfies Record<string, { http: number; grpc: number; retryable: boolean }>;

export type Condition = keyof typeof CONDITIONS;

/** HTTP statuses that OTLP lets a client retry; every other 4xx and 5xx it must not. */
export function isRetryableHttpStatus(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504;
}
