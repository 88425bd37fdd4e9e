import { describe, expect, it } from 'vitest';
import { describeAccounts } from './accounts.suite.ts';
import { describeClaims } from './claims.suite.ts';
import { describeDeadLetters } from './dead-letters.suite.ts';
import { describeDurability } from './durability.suite.ts';
import { describeLife } from './life.suite.ts';
import { type QueueSite, useQueue } from './queue-site.ts';
import { describeSettling } from './settling.suite.ts';

/** How many tests a backend has to pass; a test that is not wired does not pass. */
const TESTS = 67;

/** The contract of `BatchQueue`, sentence by sentence. */
export function describeBatchQueue(backend: string, createSite: () => Promise<QueueSite>): void {
  describe(`batch queue on ${backend}`, () => {
    const here = useQueue(createSite);
    describeDurability(here);
    describeClaims(here);
    describeSettling(here);
    describeDeadLetters(here);
    describeAccounts(here);
    describeLife(here);

    it('ran every test of this suite', () => {
      expect(here.ran).toBe(TESTS);
    });
  });
}
