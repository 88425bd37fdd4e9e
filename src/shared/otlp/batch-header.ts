import type { OutgoingHttpHeaders } from 'node:http';

/**
 * How a delivered batch names itself to a shard. The body stays plain OTLP, so a shard of another kind can take it
 * and ignore the headers.
 */
export const BATCH_ID_HEADER = 'otelfan-batch-id';
export const SLICES_HEADER = 'otelfan-slices';
/** Of a part: the ids of the batches that it was cut from, the whole one first, with commas between them. */
export const CUT_FROM_HEADER = 'otelfan-cut-from';
/** The same of its slice, when that was cut, too; it is the only one then. */
export const SLICE_CUT_FROM_HEADER = 'otelfan-slice-cut-from';
/** Comes with the answer to a batch of which the shard has some records already: it takes the others in parts only. */
export const PARTLY_STORED_HEADER = 'otelfan-partly-stored';

/** Slices per batch that fit the header: 20 bytes each, base64, well under Node's 16 KiB header limit. */
export const MAX_SLICES_PER_BATCH = 256;

/** One request's share of a batch. A batch body is its slices, one after the other. */
export interface SliceInfo {
  /** 128-bit hash of the whole request the slice was cut from, 32 lower-case hex digits. */
  readonly exportId: string;
  readonly sizeBytes: number;
  /** When it is a part of a slice: the export ids of the slices that it was cut from, the whole one first. */
  readonly cutFrom?: readonly string[];
}

interface NamedBatch {
  readonly id: string;
  readonly cutFrom?: readonly string[] | undefined;
  readonly slices: readonly SliceInfo[];
}

const EXPORT_ID_BYTES = 16;
const ENTRY_BYTES = EXPORT_ID_BYTES + 4;

export function batchHeaders({ id, cutFrom, slices }: NamedBatch): OutgoingHttpHeaders {
  const [first] = slices;
  return {
    [BATCH_ID_HEADER]: id,
    [SLICES_HEADER]: encodeSlices(slices),
    ...(cutFrom !== undefined && { [CUT_FROM_HEADER]: cutFrom.join() }),
    ...(first?.cutFrom !== undefined && { [SLICE_CUT_FROM_HEADER]: first.cutFrom.join() }),
  };
}

/** Base64 of, per slice, the 16 bytes of the export id and the size as a big-endian uint32. */
function encodeSlices(slices: readonly SliceInfo[]): string {
  const bytes = Buffer.allocUnsafe(slices.length * ENTRY_BYTES);
  slices.forEach((slice, index) => {
    bytes.write(slice.exportId, index * ENTRY_BYTES, 'hex');
    bytes.writeUInt32BE(slice.sizeBytes, index * ENTRY_BYTES + EXPORT_ID_BYTES);
  });
  return bytes.toString('base64');
}

/** The slices, or a sentence that says what is wrong with the header for a body of `bodyBytes`. */
export function decodeSlices(header: string, bodyBytes: number): readonly SliceInfo[] | string {
  const bytes = Buffer.from(header, 'base64');
  if (bytes.length === 0 || bytes.length % ENTRY_BYTES !== 0) {
    return `${SLICES_HEADER} holds ${bytes.length} bytes; expected a multiple of ${ENTRY_BYTES}`;
  }
  const slices: SliceInfo[] = [];
  let total = 0;
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    const sizeBytes = bytes.readUInt32BE(at + EXPORT_ID_BYTES);
    slices.push({ exportId: bytes.toString('hex', at, at + EXPORT_ID_BYTES), sizeBytes });
    total += sizeBytes;
  }
  if (total !== bodyBytes) return `${SLICES_HEADER} adds up to ${total} bytes; the body has ${bodyBytes}`;
  return slices;
}
