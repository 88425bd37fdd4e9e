import fc from 'fast-check';

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

/** Powers of two and their neighbours: where log buckets begin, and where doubles run out of digits. */
const nearPowerOfTwo = fc
  .tuple(fc.integer({ min: 0, max: 63 }), fc.constantFrom(-1n, 0n, 1n), fc.constantFrom(1n, -1n))
  .map(([exponent, off, sign]) => sign * (2n ** BigInt(exponent) + off))
  .filter(isDuration);

const anyDuration = fc.oneof(
  fc.bigInt({ min: MIN, max: MAX }),
  fc.bigInt({ min: -1000n, max: 1000n }),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 53n + 50n }),
  fc.constantFrom(MIN, MIN + 1n, -9_200_000_000_000_000_000n, 9_200_000_000_000_000_000n, MAX - 1n, MAX),
  nearPowerOfTwo,
  fc.constant(0n),
);

const LARGEST_SET = 60;
const setOf = (duration: fc.Arbitrary<bigint>) => fc.array(duration, { maxLength: LARGEST_SET });

/** Signed 64-bit durations in nanoseconds: mixed, all of one kind, all equal, all zero, very few, none. */
export const durationSets: fc.Arbitrary<bigint[]> = fc.oneof(
  setOf(anyDuration),
  setOf(nearPowerOfTwo),
  setOf(fc.bigInt({ min: MAX - 500n, max: MAX })),
  setOf(fc.bigInt({ min: MIN, max: MIN + 500n })),
  setOf(fc.bigInt({ min: 2n ** 53n, max: 2n ** 53n + 200n })),
  fc.array(anyDuration, { maxLength: 3 }),
  fc
    .tuple(anyDuration, fc.integer({ min: 1, max: LARGEST_SET }))
    .map(([duration, count]) => Array<bigint>(count).fill(duration)),
);

/** The element that nearest-index percentiles mean, by sorting; `undefined` of nothing. */
export function sortedIndex(durations: readonly bigint[], p: number): bigint | undefined {
  const sorted = durations.toSorted((a, b) => (a < b ? -1 : Number(a > b)));
  return sorted[Math.floor((sorted.length - 1) * p + 0.5)];
}

function isDuration(value: bigint): boolean {
  return value >= MIN && value <= MAX;
}
