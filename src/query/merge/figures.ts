const NANOS_PER_MS = 1e6;

/** The nearest double to a duration in milliseconds. */
export function milliseconds(nanos: bigint): number {
  return Number(nanos) / NANOS_PER_MS;
}

/** 0 of nothing. */
export function ratio(amount: number, count: number): number {
  return count === 0 ? 0 : amount / count;
}

/**
 * A figure that is not negative with one decimal, ties to even. Of all doubles only those that end in .25 and .75 lie
 * halfway between two tenths, and `toFixed` takes the larger one.
 */
export function oneDecimal(figure: number): string {
  return figure % 1 === 0.25 ? `${Math.trunc(figure)}.2` : figure.toFixed(1);
}

/** Ascending: `Math.min` and `Math.max` do not take bigints. */
export function sorted(values: readonly bigint[]): bigint[] {
  return values.toSorted((a, b) => (a < b ? -1 : Number(a > b)));
}
