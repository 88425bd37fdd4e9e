import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { ProtoWriter } from '../../../../src/shared/otlp/proto-writer.ts';

const halves = (value: bigint) => [Number(value & 0xffffffffn), Number(value >> 32n)] as const;

describe('the protobuf writer', () => {
  it('writes integers, doubles and texts as protobufjs reads them', () => {
    fc.assert(
      fc.property(
        fc.record({
          varint: fc.nat(0xffffffff),
          varint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
          fixed32: fc.nat(0xffffffff),
          fixed64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
          double: fc.double(),
          text: fc.string({ unit: 'grapheme', maxLength: 200 }),
          bytes: fc.uint8Array(),
        }),
        given => {
          const writer = new ProtoWriter();
          writer.bytes(given.bytes);
          writer.hex(Buffer.from(given.bytes).toString('hex').toUpperCase());
          writer.string(given.text);
          writer.double(given.double);
          writer.fixed64(...halves(given.fixed64));
          writer.fixed32(given.fixed32);
          writer.varint64(...halves(given.varint64));
          writer.varint(given.varint);
          const reader = protobuf.Reader.create(writer.finish());
          expect(reader.uint32()).toBe(given.varint);
          expect(reader.uint64().toString()).toBe(String(given.varint64));
          expect(reader.fixed32()).toBe(given.fixed32);
          expect(reader.fixed64().toString()).toBe(String(given.fixed64));
          expect(reader.double()).toBe(given.double);
          expect(reader.string()).toBe(given.text);
          expect(Buffer.from(reader.bytes()).equals(given.bytes)).toBe(true);
          expect(Buffer.from(reader.bytes()).equals(given.bytes)).toBe(true);
          expect(reader.pos).toBe(reader.len);
        },
      ),
    );
  });

  it('grows, gives what was written as a buffer of its own, and begins anew', () => {
    const writer = new ProtoWriter();
    const text = 'x'.repeat(100_000);
    for (let count = 0; count < 100; count++) writer.string(text);
    const first = writer.finish();
    writer.string('next');
    const second = writer.finish();
    expect(first.length).toBe(100 * 100_003);
    expect(first.buffer.byteLength).toBe(first.length);
    expect(protobuf.Reader.create(first).string()).toBe(text);
    expect(second.toString()).toBe('\x04next');
  });

  it.each(['0', '0g', 'G0', '０0', '@@', '``', '/:', 'xyzx'])(
    '"%s" is no hex, and writes nothing',
    digits => {
      const writer = new ProtoWriter();
      expect(writer.hex(digits)).toBe(false);
      expect(writer.sizeBytes).toBe(0);
    },
  );

  it('a half of a surrogate pair becomes a replacement character, not invalid UTF-8', () => {
    const writer = new ProtoWriter();
    writer.string('a\ud800b');
    expect(protobuf.Reader.create(writer.finish()).string()).toBe('a\ufffdb');
  });
});
