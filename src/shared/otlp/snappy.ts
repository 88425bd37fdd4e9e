import { crc32c } from './crc32c.ts';

/*
 * Snappy, block and framed (google/snappy: format_description.txt, framing_format.txt), to read only. The packages for
 * it trust their input: one loops for ever on a crafted length and pads what is shorter than it claims with zeros.
 */

/** The bytes are not what the format allows. */
export class MalformedSnappyError extends Error {
  override readonly name = 'MalformedSnappyError';
}

/** The length that a block says it has when decompressed, and where its elements begin. */
export function readBlockHeader(block: Uint8Array): { readonly sizeBytes: number; readonly start: number } {
  let sizeBytes = 0;
  for (let at = 0; at < 5 && at < block.length; at++) {
    const byte = block[at] as number;
    sizeBytes += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) {
      if (sizeBytes >= 2 ** 32) break;
      return { sizeBytes, start: at + 1 };
    }
  }
  throw new MalformedSnappyError('no length at its start');
}

const LITERAL = 0;
const COPY_1 = 1;
const COPY_2 = 2;

/** Decompresses one block. Ask {@link readBlockHeader} first: this allocates what the block claims. */
export function decodeBlock(block: Buffer): Buffer {
  const { sizeBytes, start } = readBlockHeader(block);
  const output = Buffer.allocUnsafeSlow(sizeBytes);
  let from = start;
  let to = 0;
  while (from < block.length) {
    const tag = block[from++] as number;
    const kind = tag & 3;
    if (kind === LITERAL) {
      let length = tag >>> 2;
      if (length >= 60) {
        const lengthBytes = length - 59;
        if (from + lengthBytes > block.length) throw new MalformedSnappyError('cut off');
        length = block.readUIntLE(from, lengthBytes);
        from += lengthBytes;
      }
      length++;
      if (from + length > block.length) throw new MalformedSnappyError('cut off');
      if (to + length > sizeBytes) throw new MalformedSnappyError('longer than it says');
      block.copy(output, to, from, from + length);
      from += length;
      to += length;
      continue;
    }
    const offsetBytes = kind === COPY_1 ? 1 : kind === COPY_2 ? 2 : 4;
    if (from + offsetBytes > block.length) throw new MalformedSnappyError('cut off');
    let offset = block.readUIntLE(from, offsetBytes);
    from += offsetBytes;
    let length = (tag >>> 2) + 1;
    if (kind === COPY_1) {
      offset += (tag >>> 5) << 8;
      length = ((tag >>> 2) & 7) + 4;
    }
    if (offset === 0 || offset > to) throw new MalformedSnappyError('copies from before its start');
    if (to + length > sizeBytes) throw new MalformedSnappyError('longer than it says');
    // The source may overlap the target and then repeats, so this goes byte by byte.
    for (const end = to + length; to < end; to++) output[to] = output[to - offset] as number;
  }
  if (to !== sizeBytes) throw new MalformedSnappyError('shorter than it says');
  return output;
}

const STREAM_IDENTIFIER = Buffer.from([0xff, 0x06, 0x00, 0x00, ...Buffer.from('sNaPpY')]);
const CHUNK_HEADER_BYTES = 4;
const CHECKSUM_BYTES = 4;
/** "The uncompressed data in a chunk must be no longer than 65536 bytes." */
const MAX_CHUNK_BYTES = 65_536;
const COMPRESSED = 0x00;
const UNCOMPRESSED = 0x01;
const FIRST_SKIPPABLE = 0x80;
const IDENTIFIER = 0xff;

/** Framed data begins with a stream identifier. No block begins like that: it would copy from before its start. */
export function isFramed(bytes: Buffer): boolean {
  return bytes.subarray(0, STREAM_IDENTIFIER.length).equals(STREAM_IDENTIFIER);
}

/** The decompressed data of a framed stream, chunk by chunk of at most 64 KiB, each checked against its checksum. */
export function* decodeFramed(bytes: Buffer): Generator<Buffer> {
  if (!isFramed(bytes)) throw new MalformedSnappyError('no stream identifier at its start');
  for (let at = 0; at < bytes.length; ) {
    if (at + CHUNK_HEADER_BYTES > bytes.length) throw new MalformedSnappyError('cut off');
    const type = bytes[at] as number;
    const start = at + CHUNK_HEADER_BYTES;
    const end = start + bytes.readUIntLE(at + 1, 3);
    if (end > bytes.length) throw new MalformedSnappyError('cut off');
    at = end;
    if (type === COMPRESSED || type === UNCOMPRESSED) yield decodeChunk(type, bytes.subarray(start, end));
    else if (type === IDENTIFIER) {
      if (!isFramed(bytes.subarray(start - CHUNK_HEADER_BYTES, end)))
        throw new MalformedSnappyError('wrong stream identifier');
    } else if (type < FIRST_SKIPPABLE) {
      throw new MalformedSnappyError(`unknown chunk type ${type}`);
    }
  }
}

function decodeChunk(type: number, chunk: Buffer): Buffer {
  if (chunk.length < CHECKSUM_BYTES) throw new MalformedSnappyError('chunk without a checksum');
  const body = chunk.subarray(CHECKSUM_BYTES);
  const sizeBytes = type === COMPRESSED ? readBlockHeader(body).sizeBytes : body.length;
  if (sizeBytes > MAX_CHUNK_BYTES) throw new MalformedSnappyError(`chunk of ${sizeBytes} bytes`);
  const data = type === COMPRESSED ? decodeBlock(body) : body;
  if (maskedChecksum(data) !== chunk.readUInt32LE(0)) throw new MalformedSnappyError('wrong checksum');
  return data;
}

/** framing_format.txt, section 3: rotated and shifted, since a checksum of data with checksums in it is a weak one. */
function maskedChecksum(data: Uint8Array): number {
  const checksum = crc32c(data);
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0;
}
