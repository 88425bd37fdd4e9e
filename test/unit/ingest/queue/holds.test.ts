import { beforeEach, describe, expect, it } from 'vitest';
import { createHolds, type Holds } from '../../../../src/ingest/queue/holds.ts';

describe('holds', () => {
  let nowMs = 0;
  let holds: Holds;

  beforeEach(() => {
    nowMs = 1_000_000;
    holds = createHolds({ now: () => nowMs }, 100);
  });

  it('a lease holds for its time', () => {
    holds.lease('a');
    nowMs += 99;
    expect(holds.isHeld('a')).toBe(true);
    nowMs += 1;
    expect(holds.isHeld('a')).toBe(false);
    expect(holds.isHeld('b')).toBe(false);
  });

  it('a delay ends the lease and holds for its own time', () => {
    holds.delay('a', holds.lease('a'), 30);
    nowMs += 29;
    expect(holds.isHeld('a')).toBe(true);
    nowMs += 1;
    expect(holds.isHeld('a')).toBe(false);
  });

  it('an earlier claim cannot end a later one', () => {
    const early = holds.lease('a');
    nowMs += 100;
    holds.lease('a');
    holds.delay('a', early, 0);
    expect(holds.isHeld('a')).toBe(true);
  });

  it('a pinned batch is held until it is forgotten', () => {
    holds.pin('a');
    nowMs += 1e9;
    expect(holds.isHeld('a')).toBe(true);
    holds.forget('a');
    expect(holds.isHeld('a')).toBe(false);
  });
});
