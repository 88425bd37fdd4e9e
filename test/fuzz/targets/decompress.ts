import assert from 'node:assert/strict';
import zlib, { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type Compression, decompressWithin } from '../../../src/shared/otlp/decompress.ts';
import { isRefusal } from '../../../src/shared/otlp/door.ts';
import { admissionOf } from '../../support/admission.ts';
import { snappyBlock, snappyFramed } from '../../support/snappy.ts';
import { type FuzzTarget, plainTarget } from '../target.ts';

const MAX_REQUEST_BYTES = 64 * 1024;
const CONTENTS = [
  Buffer.alloc(0),
  Buffer.from('a'),
  Buffer.from('telemetry '.repeat(300)),
  Buffer.from(Array.from({ length: 2000 }, (_, index) => (index * index) % 251)),
  Buffer.alloc(MAX_REQUEST_BYTES),
  Buffer.alloc(MAX_REQUEST_BYTES + 1),
];

/** zlib gives the first of several members that follow each other; all of them count here. */
function assertFirst(output: Buffer, first: Buffer): void {
  assert.deepEqual(output.subarray(0, first.length), first);
}

interface Codec {
  readonly compression: Compression;
  readonly compress: (content: Buffer) => Buffer;
  /** Another decoder, which throws on what is damaged. */
  readonly oracle?: (input: Buffer) => Buffer;
}

const LIMIT = { maxOutputLength: MAX_REQUEST_BYTES };
const CODECS: readonly Codec[] = [
  { compression: 'gzip', compress: gzipSync, oracle: input => zlib.gunzipSync(input, LIMIT) },
  { compression: 'deflate', compress: deflateSync, oracle: input => zlib.inflateSync(input, LIMIT) },
  { compression: 'zstd', compress: zstdCompressSync },
  { compression: 'snappy', compress: snappyBlock },
  { compression: 'x-snappy-framed', compress: snappyFramed },
];

/** The decoders behind the bomb guard: never more than the limit, never a throw, and what zlib takes comes out alike. */
export function decompressTargets(): FuzzTarget[] {
  const admission = admissionOf();
  return CODECS.map(({ compression, compress, oracle }) =>
    plainTarget({
      name: `decompress-${compression}`,
      seeds: CONTENTS.map(compress),
      async check(input) {
        const place = admission.enter();
        if (isRefusal(place)) throw new Error('a place is always free here');
        try {
          const limits = { maxRequestBytes: MAX_REQUEST_BYTES, place };
          const output = await decompressWithin(input, compression, limits);
          if (isRefusal(output)) return assert.notEqual(output.message, '');
          assert.ok(output.length <= MAX_REQUEST_BYTES, `${output.length} bytes came out`);
          if (oracle !== undefined) assertFirst(output, oracle(input));
        } finally {
          place.leave();
        }
        assert.equal(admission.bytes(), 0);
      },
    }),
  );
}
