import { crc32 } from 'node:zlib';
import type { SliceInfo } from '../../shared/otlp/batch-header.ts';
import type { Signal } from '../../shared/otlp/signal.ts';

/** Everything about a batch but its bytes. */
export interface BatchInfo {
  /** UUIDv7; names these bytes for ever, so that a shard can tell a repeat. */
  readonly id: string;
  /** Id of the logical shard that owns the records. */
  readonly shard: string;
  readonly signal: Signal;
  /** Spans, log records or data points inside. */
  readonly records: number;
  /** When the oldest of its requests was accepted, milliseconds since the epoch. */
  readonly acceptedAtMs: number;
  /** Version of the topology that chose the shard. */
  readonly topologyVersion: number;
  /** Of a part: the ids of the batches that it was cut from, the whole one first. */
  readonly cutFrom?: readonly string[];
  /** In body order. */
  readonly slices: readonly SliceInfo[];
}

export type BatchKey = Pick<BatchInfo, 'shard' | 'id'>;

/** Slices of several requests for one shard and signal, concatenated: one valid OTLP request. */
export interface Batch extends BatchInfo {
  readonly payload: Buffer;
}

/** A stored batch that does not match its checksum or its own header; the message says where. */
export class CorruptBatchError extends Error {
  override readonly name = 'CorruptBatchError';
}

/*
 * Stored form, the same in every backend, big-endian:
 *   u8 version (1) | u32 crc32 of all that follows | u32 header length | header (JSON BatchInfo) | payload
 */
const VERSION = 1;
const HEADER_AT = 9;

export function encodeBatch(batch: Batch, allocate: (size: number) => Buffer = Buffer.allocUnsafe): Buffer {
  const head = encodeBatchHead(batch);
  const encoded = allocate(head.length + batch.payload.length);
  head.copy(encoded);
  batch.payload.copy(encoded, head.length);
  return encoded;
}

/** What precedes the payload in the stored form, for a backend that can join the two without a copy of its own. */
export function encodeBatchHead(batch: Batch): Buffer {
  const { payload, ...info } = batch;
  const header = Buffer.from(JSON.stringify(info satisfies BatchInfo));
  const head = Buffer.allocUnsafe(HEADER_AT + header.length);
  head.writeUInt8(VERSION, 0);
  head.writeUInt32BE(header.length, 5);
  header.copy(head, HEADER_AT);
  head.writeUInt32BE(crc32(payload, crc32(head.subarray(5))), 1);
  return head;
}

/** @throws CorruptBatchError when the bytes are not what {@link encodeBatch} wrote. */
export function decodeBatch(encoded: Buffer): Batch {
  if (encoded.length < HEADER_AT || encoded.readUInt8(0) !== VERSION) {
    throw new CorruptBatchError(`stored batch of ${encoded.length} bytes has no version ${VERSION} header`);
  }
  if (encoded.readUInt32BE(1) !== crc32(encoded.subarray(5))) {
    throw new CorruptBatchError(`stored batch of ${encoded.length} bytes does not match its checksum`);
  }
  const payloadAt = HEADER_AT + encoded.readUInt32BE(5);
  const info = JSON.parse(encoded.toString('utf8', HEADER_AT, payloadAt)) as BatchInfo;
  return { ...info, payload: encoded.subarray(payloadAt) };
}

/**
 * What a backend found under the key of a batch: the batch, or a sentence that says why it cannot be delivered. A
 * damaged record is an expected outcome: it goes to the dead letters instead of stopping its lane.
 */
export function restoreBatch(encoded: Buffer | undefined, key: BatchKey): Batch | string {
  if (encoded === undefined) return 'the payload is missing from the queue';
  try {
    const batch = decodeBatch(encoded);
    if (batch.id === key.id && batch.shard === key.shard) return batch;
    return `stored batch says ${batch.shard}/${batch.id}, its key ${key.shard}/${key.id}`;
  } catch (error) {
    if (error instanceof CorruptBatchError) return error.message;
    throw error;
  }
}
