import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { doubleText } from '../../../../src/shard/decode/any-value.ts';

describe('a double as text', () => {
  it.each([
    [1, '1'],
    [-0, '-0'],
    [0.1, '0.1'],
    [1e21, '1000000000000000000000'],
    [1.5e300, `15${'0'.repeat(299)}`],
    [1e-7, '0.0000001'],
    [-1.25e-9, '-0.00000000125'],
    [5e-324, `0.${'0'.repeat(323)}5`],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [Number.NEGATIVE_INFINITY, '-inf'],
  ])('%s is %s', (value, text) => {
    expect(doubleText(value)).toBe(text);
  });

  it('has no exponent and reads back as the same double', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), value => {
        const text = doubleText(value);
        expect(text).toMatch(/^-?\d+(?:\.\d+)?$/);
        expect(Number(text)).toBe(value);
      }),
    );
  });
});
