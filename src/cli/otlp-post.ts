import protobuf from 'protobufjs';
import { type Encoding, MEDIA_TYPES } from '../shared/otlp/responses.ts';
import { SIGNAL_FACTS, type Signal } from '../shared/otlp/signal.ts';
import { fetchFailure } from './fetch-failure.ts';

export interface OtlpPost {
  /** Base URL; the path of the signal is added. */
  readonly endpoint: URL;
  readonly signal: Signal;
  readonly encoding: Encoding;
  readonly body: Uint8Array;
  /** The Content-Encoding that `body` has. */
  readonly compression?: 'gzip';
  readonly timeoutMs: number;
}

export type OtlpAnswer =
  /** `message` is the reason for rejected records, or a warning when there are none. */
  | { readonly kind: 'accepted'; readonly rejected: number; readonly message: string }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }
  | { readonly kind: 'unreachable'; readonly reason: string };

/** Posts one export request and reads the answer in whatever encoding it came. */
export async function postOtlp({
  endpoint,
  signal,
  encoding,
  body,
  compression,
  timeoutMs,
}: OtlpPost): Promise<OtlpAnswer> {
  try {
    const response = await fetch(signalUrl(endpoint, signal), {
      method: 'POST',
      headers: {
        'content-type': MEDIA_TYPES[encoding],
        ...(compression !== undefined && { 'content-encoding': compression }),
      },
      body: Buffer.from(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const mediaType =
      (response.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.ok) return { kind: 'accepted', ...readPartialSuccess({ signal, mediaType, bytes }) };
    const message = readStatusMessage(mediaType, bytes) || response.statusText || 'no reason given';
    return { kind: 'refused', status: response.status, message };
  } catch (error) {
    return { kind: 'unreachable', reason: fetchFailure(error) };
  }
}

/** `http://host/prefix` and traces make `http://host/prefix/v1/traces`. */
export function signalUrl(endpoint: URL, signal: Signal): URL {
  const url = new URL(endpoint);
  url.pathname = url.pathname.replace(/\/+$/, '') + SIGNAL_FACTS[signal].path;
  return url;
}

/** An OTLP base URL, or `undefined` when it is none. */
export function parseEndpoint(text: string): URL | undefined {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) ? url : undefined;
}

/**
 * The answers of an OTLP/HTTP receiver (OTLP specification, "OTLP/HTTP Response"). The three
 * `Export*PartialSuccess` messages have the same field numbers, so one type reads them all.
 */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message ExportResponse { PartialSuccess partial_success = 1; }
  message PartialSuccess { int64 rejected = 1; string error_message = 2; }
  message Status { int32 code = 1; string message = 2; }
`);

interface Answer {
  readonly signal: Signal;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** An answer that cannot be read is still the success that its status says. */
function readPartialSuccess({ signal, mediaType, bytes }: Answer): { rejected: number; message: string } {
  if (mediaType === MEDIA_TYPES.json) {
    const answer = parseJson(bytes) as { partialSuccess?: Record<string, unknown> } | undefined;
    const { [SIGNAL_FACTS[signal].rejectedField]: rejected, errorMessage } = answer?.partialSuccess ?? {};
    return { rejected: Number(rejected ?? 0), message: String(errorMessage ?? '') };
  }
  if (mediaType !== MEDIA_TYPES.protobuf) return { rejected: 0, message: '' };
  const { partialSuccess } = decode('ExportResponse', bytes) as {
    partialSuccess?: { rejected?: number; errorMessage?: string };
  };
  return { rejected: partialSuccess?.rejected ?? 0, message: partialSuccess?.errorMessage ?? '' };
}

const MAX_REASON_LENGTH = 500;

function readStatusMessage(mediaType: string, bytes: Uint8Array): string {
  if (mediaType === MEDIA_TYPES.protobuf) {
    return (decode('Status', bytes) as { message?: string }).message ?? '';
  }
  if (mediaType === MEDIA_TYPES.json) {
    const { message } = (parseJson(bytes) ?? {}) as { message?: unknown };
    return typeof message === 'string' ? message : '';
  }
  // Proxies between here and there answer in plain text or HTML.
  return Buffer.from(bytes).toString('utf8').trim().slice(0, MAX_REASON_LENGTH);
}

function decode(type: 'ExportResponse' | 'Status', bytes: Uint8Array): object {
  try {
    const messageType = root.lookupType(type);
    return messageType.toObject(messageType.decode(bytes), { longs: Number });
  } catch {
    return {};
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
