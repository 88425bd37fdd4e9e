/** A W3C trace id: 16 bytes, not all zero. */
export function isTraceId(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes.some(byte => byte !== 0);
}

/** A W3C span id: 8 bytes, not all zero. */
export function isSpanId(bytes: Uint8Array): boolean {
  return bytes.length === 8 && bytes.some(byte => byte !== 0);
}

/** The number that the bytes are, 0 for ones that are no trace id. */
export function traceIdNumber(bytes: Uint8Array): bigint {
  if (bytes.length !== 16) return 0n;
  const view = viewOf(bytes);
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

/** The number that the bytes are, 0 for ones that are no span id. */
export function spanIdNumber(bytes: Uint8Array): bigint {
  return bytes.length === 8 ? viewOf(bytes).getBigUint64(0) : 0n;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
