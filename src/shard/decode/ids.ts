/** A W3C trace id: 16 bytes, not all zero. */
export function isTraceId(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes.some(byte => byte !== 0);
}

/** A W3C span id: 8 bytes, not all zero. */
export function isSpanId(bytes: Uint8Array): boolean {
  return bytes.length === 8 && bytes.some(byte => byte !== 0);
}
