import type { Condition } from './conditions.ts';
import type { Signal } from './signal.ts';

/**
 * The seam between a transport and whoever takes the data: ingest and shard both open OTLP doors, over HTTP and
 * gRPC, in protobuf and JSON. A door turns each of them into an {@link ExportRequest} and an {@link ExportOutcome}
 * back into the answer that transport and encoding call for; a handler sees neither.
 */
export interface ExportRequest {
  readonly signal: Signal;
  /** How it came, for metrics. */
  readonly transport: 'http' | 'grpc';
  /** When the sender stops waiting, by the clock of the door; `undefined` when it did not say. */
  readonly deadlineMs: number | undefined;
  /** One `Export*ServiceRequest`, uncompressed protobuf. Not yet validated beyond its size. */
  readonly body: Buffer;
  /** A request header or gRPC metadata value, by lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** English, for the sender's developers: things that were tolerated this time. */
  readonly warnings: readonly string[];
}

export type ExportOutcome =
  | {
      readonly kind: 'accepted';
      /** Records that can never be stored: spans, log records or data points. */
      readonly rejected: number;
      /** Why they were rejected, or a warning; empty on full success. */
      readonly message: string;
    }
  | Refusal;

/** The whole request was refused; nothing of it is owed to the sender. */
export interface Refusal {
  readonly kind: 'refused';
  readonly condition: Condition;
  readonly message: string;
  /** How long the sender should wait, only for retryable conditions; see `retryDelayMs`. */
  readonly retryAfterMs?: number;
}

/** Expected failures are outcomes; a rejection of the promise is a bug and is answered as `internal`. */
export type ExportHandler = (request: ExportRequest) => Promise<ExportOutcome>;

/** A door answered a request. */
export interface AnsweredRequest {
  readonly transport: 'http' | 'grpc';
  /** Absent when the request named none. */
  readonly signal: Signal | undefined;
  readonly condition: Condition | 'accepted';
  readonly durationSeconds: number;
}

export function refuse(condition: Condition, message: string, retryAfterMs?: number): Refusal {
  return retryAfterMs === undefined
    ? { kind: 'refused', condition, message }
    : { kind: 'refused', condition, message, retryAfterMs };
}

/** Tells a refusal from what was asked for. */
export function isRefusal(value: object): value is Refusal {
  return 'condition' in value;
}
