import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/shared/time.ts';
import { createDice } from '../equivalence/dice.ts';
import { startCoverage } from '../fuzz/coverage.ts';
import { fuzz } from '../fuzz/fuzz.ts';
import { knownInputs } from '../fuzz/known.ts';
import { plainTarget, texts } from '../fuzz/target.ts';
import { targetGroups } from '../fuzz/targets/targets.ts';

const GROUP_MS = 10_000;
/** The same in every run: this suite fails for a change. `npm run fuzz` goes on from another seed each time. */
const SEED = 2026;
const groups = await targetGroups();

describe('mutated input', () => {
  it.each(groups)('breaks nothing in $name', async ({ targets }) => {
    const coverage = startCoverage('/src/');
    for (const target of targets) {
      const { finding } = await fuzz({
        target,
        known: knownInputs(target.name),
        dice: createDice(SEED),
        coverage,
        clock: systemClock,
        durationMs: GROUP_MS / targets.length,
      });
      const what = finding && `${finding.input.toString('base64')}: ${finding.error}`;
      expect(what, `${target.name}, seed ${SEED}`).toBeUndefined();
    }
    coverage.stop();
  });

  it('is led by the code that it reaches, and made small when it breaks something', async () => {
    const coverage = startCoverage('/test/property/');
    const target = plainTarget({
      name: 'password',
      seeds: texts('........'),
      check: input => {
        if (hasPassword(input)) throw new Error('the password is out');
      },
    });
    const options = { target, known: [], dice: createDice(3), coverage, clock: systemClock };
    const { finding } = await fuzz({ ...options, durationMs: 50_000 });
    coverage.stop();
    expect(finding?.input.toString()).toBe('fuzz');
  });
});

/** Guessing it whole would take billions of inputs; each letter is code of its own. */
function hasPassword(input: Buffer): boolean {
  if (input[0] !== 'f'.charCodeAt(0)) return false;
  if (input[1] !== 'u'.charCodeAt(0)) return false;
  if (input[2] !== 'z'.charCodeAt(0)) return false;
  return input[3] === 'z'.charCodeAt(0);
}
