import { seededRandom } from '../support/load.ts';

/** Seeded choices. */
export interface Dice {
  /** A whole number from 0, below `bound`. */
  below(bound: number): number;
  pick<T>(items: readonly T[]): T;
  /** The earlier of the items more often, as services and operations are in real data. */
  pickEarly<T>(items: readonly T[]): T;
  /** True with the given probability. */
  chance(probability: number): boolean;
  hex(digits: number): string;
}

export function createDice(seed: number): Dice {
  const random = seededRandom(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  return {
    below,
    pick: items => items[below(items.length)] as never,
    pickEarly: items => items[Math.floor(random() ** 2 * items.length)] as never,
    chance: probability => random() < probability,
    hex: digits => Array.from({ length: digits }, () => below(16).toString(16)).join(''),
  };
}
