/*
 * What gRPC puts on top of HTTP/2 (grpc/grpc: doc/PROTOCOL-HTTP2.md), as far as unary calls need it.
 */

/** Compressed flag and length, before every message. */
export const PREFIX_BYTES = 5;

export interface MessagePrefix {
  readonly isCompressed: boolean;
  readonly sizeBytes: number;
}

export function readPrefix(prefix: Buffer): MessagePrefix {
  return { isCompressed: prefix[0] !== 0, sizeBytes: prefix.readUInt32BE(1) };
}

/** An uncompressed message with its prefix. */
export function frameMessage(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, PREFIX_BYTES);
  return framed;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** `grpc-timeout`, at most 8 digits and a unit, as milliseconds; `undefined` when it is absent or not one. */
export function timeoutMsOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const match = /^(\d{1,8})([HMSmun])$/.exec(header);
  return match === null ? undefined : Number(match[1]) * (UNIT_MS[match[2] as string] as number);
}

/** A `grpc-message`: everything but printable ASCII and `%` itself percent-encoded. */
export function percentEncode(message: string): string {
  return message.replace(/[^ -$&-~]+/gu, encodeURIComponent);
}
