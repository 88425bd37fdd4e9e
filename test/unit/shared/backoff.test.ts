import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs, MAX_ASKED_PAUSE_MS } from '../../../src/shared/backoff.ts';

const pause = (failures: number, chance: number, askedMs?: number) =>
  backoffMs(failures, { initialMs: 100, maxMs: 1000, random: () => chance }, askedMs);

describe('a pause', () => {
  it('doubles its bound with every failure, up to the longest', () => {
    expect([1, 2, 3, 4, 5, 50, 5000].map(failures => pause(failures, 1))).toEqual([
      100, 200, 400, 800, 1000, 1000, 1000,
    ]);
  });

  it('is anything below its bound', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, chance) => {
          expect(pause(n, chance)).toBeCloseTo(chance * pause(n, 1));
        },
      ),
    );
  });

  it('is at least what the shard asks for, within reason', () => {
    expect(pause(1, 0.5, 30_000)).toBe(30_000);
    expect(pause(1, 0.5, 10)).toBe(50);
    expect(pause(1, 0.5, 24 * 3_600_000)).toBe(MAX_ASKED_PAUSE_MS);
  });
});
