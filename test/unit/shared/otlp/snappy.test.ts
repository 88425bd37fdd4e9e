import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../../src/shared/otlp/crc32c.ts';
import {
  decodeBlock,
  decodeFramed,
  isFramed,
  MalformedSnappyError,
} from '../../../../src/shared/otlp/snappy.ts';
import { snappyBlock, snappyFramed } from '../../../support/snappy.ts';

/** Bytes that compress: repeats near and far, and runs. */
const compressible = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.integer({ min: 1, max: 200 })), {
    maxLength: 20,
  })
  .map(runs => Buffer.concat(runs.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes))));

describe('CRC-32C', () => {
  it.each([
    ['nothing', Buffer.alloc(0), 0],
    ['the digits 1 to 9', Buffer.from('123456789'), 0xe3069283],
    ['32 zeros (RFC 3720, B.4)', Buffer.alloc(32), 0x8a9136aa],
    ['32 times 0xff (RFC 3720, B.4)', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ])('of %s is the published one', (_what, bytes, checksum) => {
    expect(crc32c(bytes)).toBe(checksum);
  });
});

describe('a snappy block', () => {
  it('is what was compressed', () => {
    fc.assert(
      fc.property(fc.oneof(compressible, fc.uint8Array().map(Buffer.from)), data => {
        expect(decodeBlock(snappyBlock(data)).equals(data)).toBe(true);
      }),
    );
  });

  it.each([
    ['one-byte offset', [8, 0b0000_1100, 97, 98, 99, 100, 0b0000_0001, 4], 'abcdabcd'],
    ['two-byte offset', [8, 0b0000_1100, 97, 98, 99, 100, 0b0000_1110, 4, 0], 'abcdabcd'],
    ['four-byte offset', [8, 0b0000_1100, 97, 98, 99, 100, 0b0000_1111, 4, 0, 0, 0], 'abcdabcd'],
    ['a copy of itself', [8, 0, 97, 0b0001_1010, 1, 0], 'aaaaaaaa'],
    ['a length byte of its own', [2, 60 << 2, 1, 97, 98], 'ab'],
  ])('with %s is read', (_what, block, text) => {
    expect(decodeBlock(Buffer.from(block)).toString()).toBe(text);
  });

  it.each([
    ['no length', [], 'no length'],
    ['a length over 32 bits', [0xff, 0xff, 0xff, 0xff, 0x7f], 'no length'],
    ['fewer bytes than it says', [100, 0, 97], 'shorter'],
    ['more bytes than it says', [1, 4, 97, 98], 'longer'],
    ['a literal beyond its end', [10, 36, 97], 'cut off'],
    ['a literal whose length would step backwards', [100, 252, 0xfa, 0xff, 0xff, 0xff], 'cut off'],
    ['a literal length cut off', [100, 252, 1], 'cut off'],
    ['a copy from before its start', [8, 0, 97, 2, 2, 0], 'before its start'],
    ['a copy of offset 0', [8, 0, 97, 2, 0, 0], 'before its start'],
    ['a copy cut off', [8, 0, 97, 2, 1], 'cut off'],
    ['a copy beyond what it says', [2, 0, 97, 0b1111_1110, 1, 0], 'longer'],
  ])('with %s is refused', (_what, block, reason) => {
    expect(() => decodeBlock(Buffer.from(block))).toThrow(reason);
  });

  it('of any bytes gives data or the one documented error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        // The length is checked by whoever decodes; a small one keeps this test small.
        const block = Buffer.from([200, 1, ...bytes]);
        try {
          expect(decodeBlock(block)).toHaveLength(200);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedSnappyError);
        }
      }),
    );
  });
});

describe('framed snappy', () => {
  const data = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * index) >> 7));

  it('is what was compressed, in chunks of at most 64 KiB', () => {
    const chunks = [...decodeFramed(snappyFramed(data))];
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
    expect(Math.max(...chunks.map(chunk => chunk.length))).toBeLessThanOrEqual(65_536);
  });

  it('may be several streams one after the other', () => {
    const twice = Buffer.concat([snappyFramed(data), snappyFramed(data)]);
    expect(Buffer.concat([...decodeFramed(twice)]).equals(Buffer.concat([data, data]))).toBe(true);
  });

  it('is told from a block', () => {
    expect(isFramed(snappyFramed(data))).toBe(true);
    expect(isFramed(snappyBlock(data))).toBe(false);
    expect(isFramed(Buffer.alloc(0))).toBe(false);
  });

  it('with a flipped bit is refused', () => {
    const framed = snappyFramed(data.subarray(0, 1000));
    const body = framed.length - 1;
    framed[body] = (framed[body] as number) ^ 1;
    expect(() => [...decodeFramed(framed)]).toThrow(MalformedSnappyError);
  });

  it.each([
    ['no stream identifier', Buffer.from('hello')],
    ['a chunk cut off', snappyFramed(data).subarray(0, -1)],
    ['a header cut off', Buffer.concat([snappyFramed(data), Buffer.from([0, 1])])],
    ['a chunk type that must not be skipped', Buffer.concat([snappyFramed(data), Buffer.from([2, 0, 0, 0])])],
    ['a wrong second identifier', Buffer.concat([snappyFramed(data), Buffer.from([0xff, 1, 0, 0, 1])])],
    ['a chunk without a checksum', Buffer.concat([snappyFramed(data), Buffer.from([0, 1, 0, 0, 1])])],
  ])('with %s is refused', (_what, framed) => {
    expect(() => [...decodeFramed(framed)]).toThrow(MalformedSnappyError);
  });

  it('with a chunk that claims more than 64 KiB is refused before memory is taken for it', () => {
    const claims4GiB = Buffer.from([0, 9, 0, 0, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    expect(() => [...decodeFramed(Buffer.concat([snappyFramed(data), claims4GiB]))]).toThrow(
      'chunk of 4294967295 bytes',
    );
  });
});
