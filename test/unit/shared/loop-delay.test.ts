import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { createLoopDelay, type LoopDelay, loopDelayReason } from '../../../src/shared/loop-delay.ts';

let delay: LoopDelay | undefined;
afterEach(() => delay?.stop());

function block(forMs: number): void {
  for (const end = performance.now() + forMs; performance.now() < end; );
}

it('a process whose work takes long is late, says so, and is not once it is idle', async () => {
  delay = createLoopDelay(() => performance.now());
  const reason = loopDelayReason(delay, 100, 'ingest.maxEventLoopDelay');
  expect(reason()).toBeUndefined();
  // Every round of the loop is late, as it is when requests come faster than they are handled.
  for (let round = 0; round < 4; round++) {
    block(300);
    await sleep(0);
  }
  expect(delay.meanMs()).toBeGreaterThan(100);
  expect(reason()).toMatch(/^this process is \d+ ms late with its work; .*raise ingest\.maxEventLoopDelay$/);
  await expect.poll(() => reason(), { timeout: 10_000, interval: 300 }).toBeUndefined();
});
