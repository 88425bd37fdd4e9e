import { isRetryableHttpStatus } from '../../shared/otlp/conditions.ts';

/** What became of sending a batch to its shard. */
export type DeliveryOutcome =
  /** The shard has it. */
  | { readonly kind: 'delivered' }
  /** Not known to be there; to be sent again, not before `afterMs` when the shard said so. */
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs?: number }
  /** The shard will never take it. */
  | { readonly kind: 'reject'; readonly reason: string };

/** A shard's answer to a batch, as far as it matters. */
export interface ShardAnswer {
  readonly status: number;
  /** Value of `Retry-After`, if any: seconds or an HTTP date (RFC 9110 §10.2.3). */
  readonly retryAfter: string | undefined;
  /** Beginning of the body, for messages. */
  readonly text: string;
}

/**
 * A 2xx is delivered even with `partial_success`: what the shard refused in it, it would refuse again. Only a 4xx
 * is a verdict on the batch. A 5xx is retried beyond what OTLP asks of a client, because a store can be broken for
 * a while and age decides in the end.
 */
export function outcomeOfAnswer(answer: ShardAnswer, nowMs: number): DeliveryOutcome {
  const { status } = answer;
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  const reason = answer.text === '' ? `HTTP ${status}` : `HTTP ${status}: ${answer.text}`;
  if (status >= 400 && status < 500 && !isRetryableHttpStatus(status)) return { kind: 'reject', reason };
  const afterMs = retryAfterMs(answer.retryAfter, nowMs);
  return { kind: 'retry', reason, ...(afterMs !== undefined && { afterMs }) };
}

/** No answer: refused, reset, timed out. Whether the shard has the batch is unknown; the batch id makes that safe. */
export function outcomeOfError(error: unknown): DeliveryOutcome {
  return { kind: 'retry', reason: error instanceof Error ? describe(error) : String(error) };
}

function describe(error: Error): string {
  return 'code' in error && typeof error.code === 'string'
    ? `${error.code}: ${error.message}`
    : error.message;
}

function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  // Date.parse takes nearly any text with digits for a date.
  const atMs = header.endsWith(' GMT') ? Date.parse(header) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
