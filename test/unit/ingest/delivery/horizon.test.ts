import { describe, expect, it } from 'vitest';
import { createHorizon } from '../../../../src/ingest/delivery/horizon.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

function horizonOf({ horizonMs = 24 * HOUR_MS, triedMs = 5 * MINUTE_MS } = {}) {
  const clock = { ms: 100 * HOUR_MS, now: () => clock.ms };
  const wall = { aheadMs: 0, now: () => clock.ms + wall.aheadMs };
  const horizon = createHorizon({ horizonMs, triedMs, clock: wall, steady: clock });
  const acceptedHoursAgo = (hours: number, id = `${hours} hours`) => ({
    id,
    acceptedAtMs: clock.ms - hours * HOUR_MS,
  });
  return { clock, wall, horizon, acceptedHoursAgo };
}

describe('the horizon', () => {
  it('is not passed by age alone, nor by one failure after a long stop', () => {
    const { horizon, acceptedHoursAgo } = horizonOf();
    const old = acceptedHoursAgo(72);
    expect(horizon.isPassed(old)).toBe(false);
    horizon.failed(old);
    expect(horizon.isPassed(old)).toBe(false);
  });

  it('is not passed by many failures within a moment', () => {
    const { clock, horizon, acceptedHoursAgo } = horizonOf();
    const old = acceptedHoursAgo(72);
    for (let failure = 0; failure < 100; failure += 1) horizon.failed(old);
    clock.ms += 4 * MINUTE_MS;
    expect(horizon.isPassed(old)).toBe(false);
    clock.ms += MINUTE_MS;
    expect(horizon.isPassed(old)).toBe(true);
  });

  it('is not passed because the time was set: it is tried for as long as any', () => {
    const { clock, wall, horizon, acceptedHoursAgo } = horizonOf();
    const young = acceptedHoursAgo(1);
    for (let failure = 0; failure < 3; failure += 1) horizon.failed(young);
    wall.aheadMs = 48 * HOUR_MS;
    expect(horizon.isPassed(young)).toBe(false);
    clock.ms += 5 * MINUTE_MS;
    expect(horizon.isPassed(young)).toBe(true);
    wall.aheadMs = -48 * HOUR_MS;
    expect(horizon.isPassed(young)).toBe(false);
  });

  it('is not passed by a young batch, however often it fails', () => {
    const { clock, horizon, acceptedHoursAgo } = horizonOf();
    const young = acceptedHoursAgo(1);
    for (let failure = 0; failure < 100; failure += 1) horizon.failed(young);
    clock.ms += 10 * MINUTE_MS;
    expect(horizon.isPassed(young)).toBe(false);
  });

  it('is passed by every old batch, tried or not, when the shard took nothing for minutes', () => {
    const { clock, horizon, acceptedHoursAgo } = horizonOf();
    for (let failure = 0; failure < 3; failure += 1) {
      horizon.failed(acceptedHoursAgo(1));
      clock.ms += 2 * MINUTE_MS;
    }
    expect(horizon.isShardLost()).toBe(true);
    expect(horizon.isPassed(acceptedHoursAgo(25))).toBe(true);
    expect(horizon.isPassed(acceptedHoursAgo(23))).toBe(false);
    horizon.answered(acceptedHoursAgo(1));
    expect(horizon.isShardLost()).toBe(false);
    expect(horizon.isPassed(acceptedHoursAgo(25))).toBe(false);
  });

  it('is passed by an old batch that fails again and again on a shard that takes others', () => {
    const { clock, horizon, acceptedHoursAgo } = horizonOf();
    const poison = acceptedHoursAgo(25);
    for (let failure = 0; failure < 3; failure += 1) {
      horizon.failed(poison);
      horizon.answered(acceptedHoursAgo(25, 'another'));
      clock.ms += 2 * MINUTE_MS;
    }
    expect(horizon.isPassed(poison)).toBe(true);
    expect(horizon.isPassed(acceptedHoursAgo(25, 'another'))).toBe(false);
  });

  it('asks for no longer trial than itself', () => {
    const { clock, horizon, acceptedHoursAgo } = horizonOf({ horizonMs: MINUTE_MS });
    const old = acceptedHoursAgo(1);
    for (let failure = 0; failure < 3; failure += 1) horizon.failed(old);
    clock.ms += MINUTE_MS;
    expect(horizon.isPassed(old)).toBe(true);
  });
});
