export interface Random {
  /** From 0 to below 1. */
  next(): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  /** Whole, from `min` to `max`, both included. */
  int(min: number, max: number): number;
  /** @throws RangeError when there is nothing to choose from */
  pick<T>(choices: readonly T[]): T;
}

/** Mulberry32: the same seed gives the same numbers, on every machine. Not for secrets. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    chance: probability => next() < probability,
    int: (min, max) => min + Math.floor(next() * (max - min + 1)),
    pick: choices => {
      if (choices.length === 0) throw new RangeError('nothing to choose from');
      return choices[Math.floor(next() * choices.length)] as (typeof choices)[number];
    },
  };
}
