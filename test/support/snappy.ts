import snappyjs from 'snappyjs';
import { crc32c } from '../../src/shared/otlp/crc32c.ts';

export function snappyBlock(data: Buffer): Buffer {
  return snappyjs.compress(data);
}

const MAX_CHUNK_BYTES = 65_536;

/** A framed snappy stream, with a padding chunk that readers skip. */
export function snappyFramed(data: Buffer): Buffer {
  const chunks = [chunk(0xff, Buffer.from('sNaPpY')), chunk(0xfe, Buffer.alloc(7))];
  for (let at = 0; at < data.length; at += MAX_CHUNK_BYTES) {
    const part = data.subarray(at, at + MAX_CHUNK_BYTES);
    const checksum = Buffer.alloc(4);
    const crc = crc32c(part);
    checksum.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
    // One chunk uncompressed, which writers do with what does not shrink.
    const isCompressed = at !== MAX_CHUNK_BYTES;
    chunks.push(
      chunk(isCompressed ? 0 : 1, Buffer.concat([checksum, isCompressed ? snappyBlock(part) : part])),
    );
  }
  return Buffer.concat(chunks);
}

function chunk(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head[0] = type;
  head.writeUIntLE(body.length, 1, 3);
  return Buffer.concat([head, body]);
}
