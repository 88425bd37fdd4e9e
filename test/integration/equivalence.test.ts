import { describe, expect, it } from 'vitest';
import { describeDifference } from '../equivalence/compare.ts';
import { QUESTIONS } from '../equivalence/questions.ts';
import { runGrowingSuite, runSuite, type SuiteOptions, type SuiteResult } from '../equivalence/suite.ts';
import { readWhileWriting } from '../equivalence/while-writing.ts';

/** A quick slice; `npm run test:equivalence` asks for as long as one likes. */
const SLICE: SuiteOptions = { seed: 20_260_615, cases: 3 * QUESTIONS.length, shardCounts: [3], exports: 12 };

function expectEqual({ answered, differences }: SuiteResult): void {
  expect(differences.map(describeDifference).join('\n\n')).toBe('');
  expect([...answered].toSorted()).toEqual(QUESTIONS.map(({ name }) => name).toSorted());
}

describe('several shards', () => {
  it('answer every read like one shard with all the data, byte for byte', async () => {
    expectEqual(await runSuite(SLICE));
  });

  it('answer like one shard when a shard was added in the middle of the data', async () => {
    expectEqual(await runGrowingSuite(SLICE));
  });

  it('answer from one state of the data while a writer commits', async () => {
    const { answers, mixed } = await readWhileWriting({ seed: 7, shardCount: 3, exports: 6 });
    expect(mixed).toEqual([]);
    expect(answers).toBeGreaterThan(0);
  });
});
