import type { Batch } from '../queue/batch.ts';
import { type RefusedRecords, refusedIn } from './partial-success.ts';

/** What became of sending a batch, or a part of one, to its shard. */
export type DeliveryOutcome = Delivered | Retry | Reject;

/** The shard has it, or will never have more of it. */
export interface Delivered {
  readonly kind: 'delivered';
  /** Absent when the shard has all of it. */
  readonly refused?: RefusedRecords;
}

/** Not known to be there; to be sent again, not before `afterMs` when the shard said so. */
export interface Retry {
  readonly kind: 'retry';
  readonly reason: string;
  readonly afterMs?: number;
}

/** The shard will never take these bytes as they are; some of the records may be fine. */
export interface Reject {
  readonly kind: 'reject';
  readonly reason: string;
  /** Present when the shard was not even asked, because its answer is known. */
  readonly unsent?: true;
  /** Present when that is because the shard has some of the records already; the others it takes in parts. */
  readonly partlyStored?: true;
  /** Numbers of the records it is about, where they are known (see `partition/cut`). */
  readonly badRecords?: ReadonlySet<number>;
}

/** Sends one batch; never rejects. Aborting the signal gives up on it. */
export type Send = (batch: Batch, signal: AbortSignal) => Promise<DeliveryOutcome>;

/** A shard's answer to a batch over HTTP, as far as it matters. */
export interface ShardAnswer {
  readonly status: number;
  /** Value of `Retry-After`, if any: seconds or an HTTP date (RFC 9110 §10.2.3). */
  readonly retryAfter: string | undefined;
  /** It came with `PARTLY_STORED_HEADER`. */
  readonly isPartlyStored?: boolean;
  /** Beginning of it. */
  readonly body: Buffer;
}

/** Bad Request, Content Too Large, Unprocessable Content. */
const VERDICTS_ON_THE_BYTES: ReadonlySet<number> = new Set([400, 413, 422]);

/**
 * A 2xx is delivered even with `partial_success`: what the shard refused in it, it would refuse again, and it does not
 * say which records those are. Of the rest only a verdict on the bytes rejects them. Other 4xx say that the address,
 * the credentials or the protocol are wrong, which would find every record guilty, and a store that answers 5xx may be
 * mended: both are tried again beyond what OTLP asks of a client, and age decides in the end.
 */
export function outcomeOfAnswer(answer: ShardAnswer, nowMs: number): DeliveryOutcome {
  const { status } = answer;
  if (status >= 200 && status < 300) return delivered(answer.body);
  const text = readable(answer.body.toString('utf8'));
  const reason = text === '' ? `HTTP ${status}` : `HTTP ${status}: ${text}`;
  if (answer.isPartlyStored) return { kind: 'reject', reason, partlyStored: true };
  if (VERDICTS_ON_THE_BYTES.has(status)) return { kind: 'reject', reason };
  return retry(reason, retryAfterMs(answer.retryAfter, nowMs));
}

/** `answer` is the message that came with the shard's OK. */
export function delivered(answer: Buffer): Delivered {
  const refused = refusedIn(answer);
  if (refused === undefined) return { kind: 'delivered' };
  return { kind: 'delivered', refused: { ...refused, message: readable(refused.message) } };
}

/** No answer: refused, reset, timed out. Whether the shard has the batch is unknown; the batch id makes that safe. */
export function outcomeOfError(error: unknown): Retry {
  return { kind: 'retry', reason: error instanceof Error ? describe(error) : String(error) };
}

export function retry(reason: string, afterMs: number | undefined): Retry {
  return { kind: 'retry', reason, ...(afterMs !== undefined && { afterMs }) };
}

/** Of what a shard says, this much is kept. */
const MAX_REASON_CHARS = 500;

/** What a shard said, fit for a log line and a dead letter. */
export function readable(text: string): string {
  return text
    .replace(/[^\x20-\x7e\u00a0-\ufffc]+/g, ' ')
    .trim()
    .slice(0, MAX_REASON_CHARS);
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
