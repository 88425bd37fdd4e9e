import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPacer } from '../../../../src/ingest/delivery/pacer.ts';

describe('a pacer', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const pacerOf = (random = () => 1) => createPacer({ idleMs: 500, idleMaxMs: 5000, random });

  /** How long something takes by the fake clock, up to a minute. */
  async function msOf(wait: Promise<void>): Promise<number> {
    const since = Date.now();
    let doneAt: number | undefined;
    void wait.then(() => {
      doneAt = Date.now();
    });
    await vi.advanceTimersByTimeAsync(60_000);
    return (doneAt ?? Number.NaN) - since;
  }

  it('looks ever more rarely while nothing is found', async () => {
    const pacer = pacerOf();
    const waits: number[] = [];
    for (let look = 0; look < 6; look += 1) waits.push(await msOf(pacer.look().foundNothing()));
    expect(waits).toEqual([500, 1000, 2000, 4000, 5000, 5000]);
  });

  it('begins anew when something was found', async () => {
    const pacer = pacerOf();
    await msOf(pacer.look().foundNothing());
    pacer.look().foundSomething();
    expect(await msOf(pacer.look().foundNothing())).toBe(500);
  });

  it('spreads looks over half of the time between them', async () => {
    expect(
      await msOf(
        pacerOf(() => 0)
          .look()
          .foundNothing(),
      ),
    ).toBe(250);
    expect(
      await msOf(
        pacerOf(() => 0.5)
          .look()
          .foundNothing(),
      ),
    ).toBe(375);
  });

  it('looks at once when this process enqueues, also while it is looking', async () => {
    const pacer = pacerOf();
    setTimeout(() => pacer.arrived(), 100);
    expect(await msOf(pacer.look().foundNothing())).toBe(100);
    const look = pacer.look();
    pacer.arrived();
    expect(await msOf(look.foundNothing())).toBe(0);
  });

  it('looks when something released is due', async () => {
    const pacer = pacerOf();
    pacer.dueIn(70);
    expect(await msOf(pacer.look().foundNothing())).toBe(70);
    expect(await msOf(pacer.look().foundNothing())).toBe(1000);
  });

  it('is not woken from a pause by what is enqueued, but by what it waits for', async () => {
    const pacer = pacerOf();
    setTimeout(() => pacer.arrived(), 10);
    setTimeout(() => pacer.ready(), 200);
    expect(await msOf(pacer.pause(Number.POSITIVE_INFINITY))).toBe(200);
    expect(await msOf(pacer.pause(300))).toBe(300);
  });

  it('waits for nothing once it has ended', async () => {
    const pacer = pacerOf();
    setTimeout(() => pacer.end(), 30);
    expect(await msOf(pacer.look().foundNothing())).toBe(30);
    expect(await msOf(pacer.pause(1000))).toBe(0);
  });
});
