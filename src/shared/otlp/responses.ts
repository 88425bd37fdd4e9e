import protobuf from 'protobufjs';
import { CONDITIONS, type Condition, retryDelayMs } from './conditions.ts';
import type { ExportOutcome, Refusal } from './door.ts';
import { SIGNAL_FACTS, type Signal } from './signal.ts';

export type Encoding = 'protobuf' | 'json';

export const MEDIA_TYPES: Readonly<Record<Encoding, string>> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
};

/** OTLP allows an answer 4 MiB, but Collectors read 64 KiB of one. */
const PARTIAL_SUCCESS_CHARACTERS = 10_000;
/** A gRPC status travels in headers, of which some clients take 8 KiB, and has its message twice. */
const STATUS_CHARACTERS = 500;

/** The text as answers give it: bounded, and valid Unicode. */
function shortened(text: string, characters: number): string {
  return text.length <= characters ? text.toWellFormed() : `${text.slice(0, characters - 1).toWellFormed()}…`;
}

/** The message of a refusal as its answer gives it. */
export function statusMessage({ message }: Refusal): string {
  return shortened(message, STATUS_CHARACTERS);
}

type Accepted = Extract<ExportOutcome, { kind: 'accepted' }>;

/**
 * `Export*ServiceResponse` in the encoding of the request. `partial_success` is left out on full success: senders
 * take an empty one for a partial failure (OTLP specification, "Full Success").
 *
 * `ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }`, and alike for the others.
 */
export function exportResponse(signal: Signal, outcome: Accepted, encoding: Encoding): Buffer {
  const isPartial = outcome.rejected > 0 || outcome.message !== '';
  const message = shortened(outcome.message, PARTIAL_SUCCESS_CHARACTERS);
  if (encoding === 'json') {
    if (!isPartial) return Buffer.from('{}');
    const { rejectedField } = SIGNAL_FACTS[signal];
    const partialSuccess = { [rejectedField]: String(outcome.rejected), errorMessage: message };
    return Buffer.from(JSON.stringify({ partialSuccess }));
  }
  const writer = protobuf.Writer.create();
  if (isPartial) {
    writer.uint32(tag(1)).fork();
    if (outcome.rejected > 0) writer.uint32(tag(1, VARINT)).int64(outcome.rejected);
    writer.uint32(tag(2)).string(message).ldelim();
  }
  return Buffer.from(writer.finish());
}

/**
 * `google.rpc.Status { int32 code = 1; string message = 2; repeated Any details = 3; }`, the body of every OTLP
 * error. Details: `BadRequest` for malformed requests, `RetryInfo` where the sender should come back.
 */
export function rpcStatus(refusal: Refusal, encoding: Encoding): Buffer {
  const code = CONDITIONS[refusal.condition].grpc;
  const message = statusMessage(refusal);
  const detail = statusDetail(refusal.condition, message, refusal.retryAfterMs);
  if (encoding === 'json') {
    const details = detail === undefined ? {} : { details: [{ '@type': detail.type, ...detail.json }] };
    return Buffer.from(JSON.stringify({ code, message, ...details }));
  }
  const writer = protobuf.Writer.create();
  writer.uint32(tag(1, VARINT)).int32(code).uint32(tag(2)).string(message);
  if (detail !== undefined) {
    writer.uint32(tag(3)).fork();
    writer.uint32(tag(1)).string(detail.type).uint32(tag(2)).bytes(detail.bytes).ldelim();
  }
  return Buffer.from(writer.finish());
}

interface StatusDetail {
  readonly type: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly bytes: Uint8Array;
}

function statusDetail(
  condition: Condition,
  message: string,
  wishMs: number | undefined,
): StatusDetail | undefined {
  const delayMs = retryDelayMs(condition, wishMs);
  if (delayMs !== undefined) return retryInfo(delayMs);
  return condition === 'malformed' ? badRequest(message) : undefined;
}

/** `RetryInfo { Duration retry_delay = 1; }`, `Duration { int64 seconds = 1; int32 nanos = 2; }`. */
function retryInfo(retryAfterMs: number): StatusDetail {
  const seconds = Math.floor(retryAfterMs / 1000);
  const nanos = (retryAfterMs % 1000) * 1_000_000;
  const writer = protobuf.Writer.create().uint32(tag(1)).fork();
  writer.uint32(tag(1, VARINT)).int64(seconds).uint32(tag(2, VARINT)).int32(nanos).ldelim();
  return {
    type: 'type.googleapis.com/google.rpc.RetryInfo',
    json: { retryDelay: `${retryAfterMs / 1000}s` },
    bytes: writer.finish(),
  };
}

/** `BadRequest { repeated FieldViolation field_violations = 1; }`, `FieldViolation { string description = 2; }`. */
function badRequest(description: string): StatusDetail {
  const writer = protobuf.Writer.create().uint32(tag(1)).fork();
  writer.uint32(tag(2)).string(description).ldelim();
  return {
    type: 'type.googleapis.com/google.rpc.BadRequest',
    json: { fieldViolations: [{ description }] },
    bytes: writer.finish(),
  };
}

const VARINT = 0;
const LENGTH_DELIMITED = 2;

function tag(field: number, wireType = LENGTH_DELIMITED): number {
  return (field << 3) | wireType;
}
