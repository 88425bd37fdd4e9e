import protobuf from 'protobufjs';

/** Reads the answers of an OTLP door with messages of their own, so that the encoder is not checked by itself. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message ExportResponse { PartialSuccess partial_success = 1; }
  message PartialSuccess { int64 rejected = 1; string error_message = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message Any { string type_url = 1; bytes value = 2; }
`);

export function decodeExportResponse(
  body: ArrayBuffer | Uint8Array,
): { rejected: number; errorMessage: string } | undefined {
  const type = root.lookupType('ExportResponse');
  const message = type.toObject(type.decode(new Uint8Array(body)), { longs: Number, defaults: true }) as {
    partialSuccess: { rejected: number; errorMessage: string } | null;
  };
  return message.partialSuccess ?? undefined;
}

export function decodeStatus(body: ArrayBuffer | Uint8Array): {
  code: number;
  message: string;
  details: string[];
} {
  const type = root.lookupType('Status');
  const { code, message, details } = type.toObject(type.decode(new Uint8Array(body)), { defaults: true }) as {
    code: number;
    message: string;
    details: { typeUrl: string }[];
  };
  return { code, message, details: details.map(detail => detail.typeUrl) };
}

/** HTTP statuses that OTLP lets a sender repeat (OTLP specification, "Failures" of OTLP/HTTP). */
export function isRetryableHttpStatus(status: number): boolean {
  return [429, 502, 503, 504].includes(status);
}

/** The same for gRPC, where RESOURCE_EXHAUSTED is one with a `RetryInfo` only. */
export function isRetryableGrpcStatus(code: number, hasRetryInfo: boolean): boolean {
  return [1, 4, 10, 11, 14, 15].includes(code) || (code === 8 && hasRetryInfo);
}
