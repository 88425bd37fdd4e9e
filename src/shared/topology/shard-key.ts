/*
 * Shard keys from text, for whoever has an id or a name and no record. The partitioner finds the same bytes on the
 * wire, so both must agree: a test holds them against each other.
 */

const OTLP_TRACE_ID = /^[0-9a-f]{32}$/i;

/**
 * Key of a trace: the 16 bytes that its 32 hex digits stand for. Comments may be about things that are no OTLP traces;
 * of such an id the key is its UTF-8 text.
 */
export function traceKey(id: string): Buffer {
  return OTLP_TRACE_ID.test(id) ? Buffer.from(id, 'hex') : Buffer.from(id);
}

/** Key of a metric, or of the log records of a service that belong to no trace: the UTF-8 text of the name. */
export function nameKey(name: string): Buffer {
  return Buffer.from(name);
}

/** Key of an uploaded blob: the 32 bytes of its SHA-256. */
export function blobKey(sha256: string): Buffer {
  return Buffer.from(sha256, 'hex');
}
