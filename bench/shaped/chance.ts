import { seededRandom } from '../../test/support/load.ts';

/** Seeded randomness in the forms that the shaped data needs. */
export interface Chance {
  /** 0 to 1, without 1. */
  number(): number;
  /** A whole number from 0, below `bound`. */
  below(bound: number): number;
  /** Log-normal: the logarithm has standard deviation `sigma`. */
  logNormal(median: number, sigma: number): number;
}

export function createChance(seed: number): Chance {
  const number = seededRandom(seed);
  // Box-Muller; 1 - number() is never 0.
  const normal = () => Math.sqrt(-2 * Math.log(1 - number())) * Math.cos(2 * Math.PI * number());
  return {
    number,
    below: bound => Math.floor(number() * bound),
    logNormal: (median, sigma) => median * Math.exp(sigma * normal()),
  };
}

const ZIPF_CELLS = 1 << 14;

/** Draws with Zipf's law of exponent 1: the second item half as often as the first, the third a third as often. */
export function zipf<T>(items: readonly T[]): (chance: Chance) => T {
  const total = items.reduce((sum, _, index) => sum + 1 / (index + 1), 0);
  const cells: T[] = [];
  let share = 0;
  items.forEach((item, index) => {
    share += 1 / (index + 1) / total;
    while (cells.length < Math.round(share * ZIPF_CELLS)) cells.push(item);
  });
  return chance => cells[chance.below(cells.length)] as T;
}
