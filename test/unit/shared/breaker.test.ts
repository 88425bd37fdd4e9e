import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Attempt, createBreaker } from '../../../src/shared/breaker.ts';

function breakerAt(threshold = 3) {
  const clock = { ms: 0, now: () => clock.ms };
  const breaker = createBreaker({ clock, threshold, initialMs: 100, maxMs: 1000, random: () => 1 });
  const failTimes = (count: number) => {
    for (let failure = 0; failure < count; failure += 1) breaker.attempt().failed();
  };
  return { clock, breaker, failTimes };
}

describe('a breaker', () => {
  it('stays closed while failures are followed by successes', () => {
    const { breaker, failTimes } = breakerAt();
    for (let round = 0; round < 10; round += 1) {
      failTimes(2);
      breaker.attempt().succeeded();
    }
    expect(breaker.state()).toBe('closed');
    expect(breaker.waitMs()).toBe(0);
  });

  it('opens after so many failures in a row, for a pause', () => {
    const { clock, breaker, failTimes } = breakerAt();
    failTimes(3);
    expect(breaker.state()).toBe('open');
    expect(breaker.waitMs()).toBe(100);
    clock.ms = 60;
    expect(breaker.waitMs()).toBe(40);
  });

  it('opens at once when the shard asks for a pause, and for that long', () => {
    const { breaker } = breakerAt();
    breaker.attempt().failed(7000);
    expect(breaker.state()).toBe('open');
    expect(breaker.waitMs()).toBe(7000);
  });

  it('lets a single probe through after the pause', () => {
    const { clock, breaker, failTimes } = breakerAt();
    failTimes(3);
    clock.ms = 100;
    expect(breaker.state()).toBe('half-open');
    expect(breaker.waitMs()).toBe(0);
    breaker.attempt();
    expect(breaker.state()).toBe('half-open');
    expect(breaker.waitMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it('opens for twice as long when the probe fails, up to the longest pause', () => {
    const { clock, breaker, failTimes } = breakerAt();
    failTimes(3);
    const pauses = Array.from({ length: 6 }, () => {
      clock.ms += breaker.waitMs();
      breaker.attempt().failed();
      return breaker.waitMs();
    });
    expect(pauses).toEqual([200, 400, 800, 1000, 1000, 1000]);
  });

  it('closes when the probe succeeds, and counts from nothing again', () => {
    const { clock, breaker, failTimes } = breakerAt();
    failTimes(3);
    clock.ms = 100;
    breaker.attempt().succeeded();
    expect(breaker.state()).toBe('closed');
    failTimes(2);
    expect(breaker.state()).toBe('closed');
    failTimes(1);
    expect(breaker.waitMs()).toBe(100);
  });

  it('takes failures of what went out together for one', () => {
    const { clock, breaker } = breakerAt();
    const together = Array.from({ length: 8 }, () => breaker.attempt());
    for (const attempt of together) attempt.failed();
    expect(breaker.waitMs()).toBe(100);
    clock.ms = 100;
    breaker.attempt();
    for (const attempt of together) attempt.failed();
    expect(breaker.waitMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it('closes when something sent before it opened succeeds after all', () => {
    const { breaker, failTimes } = breakerAt();
    const slow = breaker.attempt();
    failTimes(3);
    slow.succeeded();
    expect(breaker.state()).toBe('closed');
  });

  it('lets another probe through when one was given up', () => {
    const { clock, breaker, failTimes } = breakerAt();
    failTimes(3);
    clock.ms = 100;
    breaker.attempt().abandoned();
    expect(breaker.waitMs()).toBe(0);
  });

  it('whatever happens, more than one is on the way only while it is closed', () => {
    const step = fc.constantFrom('send', 'succeed', 'fail', 'ask', 'abandon', 'wait');
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.nat(20)), { maxLength: 200 }), steps => {
        const { clock, breaker } = breakerAt();
        const onTheWay: { attempt: Attempt; isProbe: boolean }[] = [];
        for (const [name, which] of steps) {
          if (name === 'wait') clock.ms += which * 100;
          if (name === 'send' && breaker.waitMs() === 0) {
            const isProbe = breaker.state() !== 'closed';
            onTheWay.push({ attempt: breaker.attempt(), isProbe });
          }
          const [ended] = onTheWay.splice(which % (onTheWay.length + 1), name === 'send' ? 0 : 1);
          if (name === 'succeed') ended?.attempt.succeeded();
          else if (name === 'ask') ended?.attempt.failed(500);
          else if (name === 'fail') ended?.attempt.failed();
          else if (ended !== undefined) ended.attempt.abandoned();
          if (breaker.state() === 'open') expect(breaker.waitMs()).toBeGreaterThan(0);
          if (breaker.state() === 'closed') expect(breaker.waitMs()).toBe(0);
          if (breaker.waitMs() === Number.POSITIVE_INFINITY) {
            expect(onTheWay.some(({ isProbe }) => isProbe)).toBe(true);
          }
        }
        // However it got there, it never stays shut for good: the next probe can always be made.
        for (const { attempt } of onTheWay) attempt.abandoned();
        clock.ms += 10_000;
        expect(breaker.waitMs()).toBe(0);
      }),
    );
  });
});
