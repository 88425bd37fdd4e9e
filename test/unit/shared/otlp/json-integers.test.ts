import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  INT32,
  INT64,
  type IntegerRange,
  readInteger,
  UINT32,
  UINT64,
} from '../../../../src/shared/otlp/json-integers.ts';

const BOUNDS: readonly [name: string, range: IntegerRange, min: bigint, max: bigint][] = [
  ['int32', INT32, -(2n ** 31n), 2n ** 31n - 1n],
  ['uint32', UINT32, 0n, 2n ** 32n - 1n],
  ['int64', INT64, -(2n ** 63n), 2n ** 63n - 1n],
  ['uint64', UINT64, 0n, 2n ** 64n - 1n],
];

/** All lengths, and the neighbours of every power of two and ten. */
const integers = fc.oneof(
  fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
  fc
    .tuple(fc.integer({ min: 0, max: 66 }), fc.integer({ min: -2, max: 2 }))
    .map(([n, d]) => 2n ** BigInt(n) + BigInt(d)),
  fc
    .tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: -2, max: 2 }))
    .map(([n, d]) => 10n ** BigInt(n) + BigInt(d)),
  fc
    .tuple(fc.integer({ min: 0, max: 66 }), fc.integer({ min: -2, max: 2 }))
    .map(([n, d]) => -(2n ** BigInt(n)) + BigInt(d)),
);

function halvesOf(value: bigint) {
  const bits = BigInt.asUintN(64, value);
  return { low: Number(bits & 0xffffffffn), high: Number(bits >> 32n) };
}

describe.each(BOUNDS)('%s', (_name, range, min, max) => {
  it('is read from digits exactly, within its range only', () => {
    fc.assert(
      fc.property(integers, value => {
        const read = readInteger(String(value), range);
        if (value < min || value > max || String(value).replace('-', '').length > 20)
          expect(read).toBeUndefined();
        else expect(read).toMatchObject(halvesOf(value));
      }),
      { numRuns: 2000 },
    );
  });

  it('is read from numbers as the numbers they are', () => {
    fc.assert(
      fc.property(fc.oneof(fc.double(), integers.map(Number), fc.integer()), value => {
        const read = readInteger(value, range);
        if (!Number.isInteger(value) || BigInt(value) < min || BigInt(value) > max)
          expect(read).toBeUndefined();
        else expect(read).toMatchObject(halvesOf(BigInt(value)));
      }),
      { numRuns: 2000 },
    );
  });

  it.each(['', '-', '1.0', '1e3', ' 1', '1 ', '0x10', '+1', '１', 'SPAN_KIND_SERVER', null, true, {}, []])(
    'is not read from %o',
    value => expect(readInteger(value, range)).toBeUndefined(),
  );
});
