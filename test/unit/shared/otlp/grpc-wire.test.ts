import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  frameMessage,
  percentEncode,
  readPrefix,
  timeoutMsOf,
} from '../../../../src/shared/otlp/grpc-wire.ts';

describe('the gRPC wire', () => {
  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['10S', 10_000],
    ['99999999m', 99_999_999],
    ['1500u', 1.5],
    ['5000000n', 5],
  ])('a grpc-timeout of %s is %d ms', (header, timeoutMs) => {
    expect(timeoutMsOf(header)).toBe(timeoutMs);
  });

  it.each([undefined, '', '10', 'S', '-1S', '1.5S', '123456789S', '10s'])(
    '"%s" is no grpc-timeout',
    header => {
      expect(timeoutMsOf(header)).toBeUndefined();
    },
  );

  it('a message is framed with its length', () => {
    fc.assert(
      fc.property(fc.uint8Array(), bytes => {
        const framed = frameMessage(Buffer.from(bytes));
        expect(readPrefix(framed)).toEqual({ isCompressed: false, sizeBytes: bytes.length });
        expect(framed.subarray(5).equals(bytes)).toBe(true);
      }),
    );
  });

  it('a status message is a header value that decodes to itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), message => {
        const encoded = percentEncode(message);
        expect(encoded).toMatch(/^[ -~]*$/);
        expect(decodeURIComponent(encoded)).toBe(message);
      }),
    );
  });
});
