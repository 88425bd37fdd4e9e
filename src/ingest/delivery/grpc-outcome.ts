import { status as codes, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { type DeliveryOutcome, readable, retry } from './outcome.ts';

/**
 * A tael-server's answer over gRPC. It says INTERNAL when it could not store, which OTLP would take for final, and
 * OUT_OF_RANGE when a message is too large, which OTLP would have repeated for ever (read API contract §2.1, D8).
 * Only what is about the bytes rejects them; wrong credentials, a missing service or a full disk are no verdict on a
 * record, and age decides in the end.
 */
export function outcomeOfRpcError(error: ServiceError): DeliveryOutcome {
  const details = readable(error.details);
  const reason = `gRPC ${codes[error.code] ?? error.code}${details === '' ? '' : `: ${details}`}`;
  if (VERDICTS.get(error.code)?.test(details)) return { kind: 'reject', reason };
  return retry(reason, retryInfoMs(error.metadata?.get('grpc-status-details-bin')[0]));
}

/** Codes that are verdicts on the bytes when the details match. */
const VERDICTS: ReadonlyMap<codes, RegExp> = new Map([
  [codes.INVALID_ARGUMENT, /^/],
  [codes.OUT_OF_RANGE, /^/],
  // Servers say it for a message that is too large and for being busy.
  [codes.RESOURCE_EXHAUSTED, /larger than max|exceeds maximum|too large/i],
  // tonic's answer to bytes that its protobuf decoder does not take.
  [codes.INTERNAL, /^failed to decode Protobuf message/],
]);

/** `google.rpc.Status` with its details, and the one that asks for a pause (google/rpc/error_details.proto). */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Status { repeated Any details = 3; }
  message Any { string type_url = 1; bytes value = 2; }
  message RetryInfo { Duration retry_delay = 1; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
`);
const RETRY_INFO_URL = 'type.googleapis.com/google.rpc.RetryInfo';

interface Status {
  readonly details?: readonly { readonly typeUrl?: string; readonly value?: Uint8Array }[];
}

interface RetryInfo {
  readonly retryDelay?: { readonly seconds?: number; readonly nanos?: number };
}

function retryInfoMs(statusDetails: string | Buffer | undefined): number | undefined {
  if (!Buffer.isBuffer(statusDetails)) return undefined;
  const { details = [] } = decode('Status', statusDetails) as Status;
  const detail = details.find(({ typeUrl }) => typeUrl === RETRY_INFO_URL);
  if (detail === undefined) return undefined;
  const { retryDelay } = decode('RetryInfo', detail.value ?? Buffer.alloc(0)) as RetryInfo;
  return Math.max(0, (retryDelay?.seconds ?? 0) * 1000 + (retryDelay?.nanos ?? 0) / 1_000_000);
}

/** A hint that cannot be read is none. */
function decode(name: 'Status' | 'RetryInfo', bytes: Uint8Array): object {
  try {
    const type = root.lookupType(name);
    return type.toObject(type.decode(bytes), { longs: Number });
  } catch {
    return {};
  }
}
