import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createConcurrency } from '../../../../src/ingest/delivery/aimd.ts';

function concurrencyOf(max: number) {
  const clock = { ms: 0, now: () => clock.ms };
  const concurrency = createConcurrency({ max, clock });
  /** As many as are allowed go out together and end alike after `latencyMs`. */
  const round = (as: 'succeeded' | 'failed', latencyMs = 10, inFlight = concurrency.limit()) => {
    const sent = Array.from({ length: inFlight }, (_, index) => concurrency.started(index + 1));
    clock.ms += latencyMs;
    for (const one of sent) one[as]();
    return concurrency.limit();
  };
  const rounds = (count: number, ...of: Parameters<typeof round>) =>
    Array.from({ length: count }, () => round(...of));
  return { concurrency, clock, round, rounds };
}

describe('concurrency', () => {
  it('begins at its bound and stays there while all is well', () => {
    const { concurrency, rounds } = concurrencyOf(8);
    expect(concurrency.limit()).toBe(8);
    expect(new Set(rounds(100, 'succeeded'))).toEqual(new Set([8]));
  });

  it('is halved once by all that fail together, down to one', () => {
    const { rounds } = concurrencyOf(8);
    expect(rounds(5, 'failed')).toEqual([4, 2, 1, 1, 1]);
  });

  it('grows by one when as many successes used all that was allowed', () => {
    const { concurrency, round } = concurrencyOf(8);
    round('failed');
    const limits = Array.from({ length: 4 * 4 }, () => {
      concurrency.started(concurrency.limit()).succeeded();
      return concurrency.limit();
    });
    expect(limits.slice(0, 4)).toEqual([4, 4, 4, 5]);
    expect(limits.at(-1)).toBe(7);
  });

  it('does not grow while less is sent than may be', () => {
    const { round, rounds } = concurrencyOf(8);
    round('failed');
    expect(rounds(50, 'succeeded', 10, 1).at(-1)).toBe(4);
  });

  it('is halved when answers take much longer than they used to, once per change of pace', () => {
    const { concurrency, rounds } = concurrencyOf(8);
    rounds(20, 'succeeded', 20);
    const limits = rounds(6, 'succeeded', 400);
    expect(limits).toContain(4);
    expect(Math.min(...limits)).toBe(4);
    rounds(200, 'succeeded', 400);
    expect(concurrency.limit()).toBe(8);
  });

  it('is not moved by a little jitter of fast answers', () => {
    const { rounds } = concurrencyOf(8);
    rounds(20, 'succeeded', 2);
    expect(rounds(5, 'succeeded', 50)).toEqual([8, 8, 8, 8, 8]);
  });

  it('whatever happens, stays between one and its bound, and comes back to it', () => {
    const event = fc.record({
      fails: fc.boolean(),
      latencyMs: fc.nat(5000),
      inFlight: fc.integer({ min: 1, max: 64 }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.array(event, { maxLength: 100 }), (max, events) => {
        const { concurrency, round, rounds } = concurrencyOf(max);
        for (const { fails, latencyMs, inFlight } of events) {
          const limit = round(
            fails ? 'failed' : 'succeeded',
            latencyMs,
            Math.min(inFlight, concurrency.limit()),
          );
          expect(limit).toBeGreaterThanOrEqual(1);
          expect(limit).toBeLessThanOrEqual(max);
        }
        rounds(64 * 64, 'succeeded', 0);
        expect(concurrency.limit()).toBe(max);
      }),
      { numRuns: 30 },
    );
  });
});
