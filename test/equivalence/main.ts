import { createProgress } from '../../src/cli/progress.ts';
import { renderTable } from '../../src/cli/table.ts';
import { systemClock } from '../../src/shared/time.ts';
import { parseToolFlags, wholeNumber } from '../support/tool-flags.ts';
import { type Difference, describeDifference } from './compare.ts';
import { QUESTIONS } from './questions.ts';
import { runGrowingSuite, runSuite, type SuiteOptions, type SuiteResult } from './suite.ts';

const USAGE = `usage: npm run test:equivalence -- [--seed S] [--cases N]

Loads the same random data into one shard and, cut by the topology, into 2, 3, 5 and 8, then asks all of them the same N
random questions: every answer must be the same, byte for byte. Half of the questions are asked of shards of which one
was added in the middle of the data. Data and questions follow from the seed.

  --seed S    a whole number (default: the time of day)
  --cases N   questions (default 400)
`;

interface Arrangement {
  readonly name: string;
  readonly run: (options: SuiteOptions) => Promise<SuiteResult>;
}

const ARRANGEMENTS: readonly Arrangement[] = [
  { name: 'the same shards all the time', run: runSuite },
  { name: 'a shard more from the middle of the data on', run: runGrowingSuite },
];
const SHARD_COUNTS = [2, 3, 5, 8];
/** New data after so many questions: as the seed goes up, one run sees several stores. */
const CASES_PER_CORPUS = 25 * QUESTIONS.length;
const EXPORTS = 40;

const { values } = parseToolFlags(USAGE, {
  options: { seed: { type: 'string' }, cases: { type: 'string', default: '400' } },
});
const seed = wholeNumber('seed', values.seed ?? String(Date.now() % 1_000_000), USAGE);
const cases = wholeNumber('cases', values.cases, USAGE);
const progress = createProgress({ stderr: process.stderr, clock: systemClock });
const asked = new Map<string, number>();
const differences: Difference[] = [];
let done = 0;

for (const [index, { name, run }] of ARRANGEMENTS.entries()) {
  const share = Math.round((cases * (index + 1)) / ARRANGEMENTS.length);
  for (let round = 0; done < share && differences.length === 0; round++) {
    const before = done;
    const result = await run({
      seed: seed + 1000 * index + round,
      cases: Math.min(CASES_PER_CORPUS, share - done),
      shardCounts: SHARD_COUNTS,
      exports: EXPORTS,
      onCase: count => progress.update(`${before + count} of ${cases} questions, ${name}`),
    });
    done += result.cases;
    differences.push(...result.differences);
    for (const [question, count] of result.asked) asked.set(question, (asked.get(question) ?? 0) + count);
  }
}
progress.clear();
report();

function report(): void {
  const rows = [...asked];
  process.stdout.write(
    renderTable({
      rows,
      columns: [
        { title: 'READ', cell: ([name]) => name },
        { title: 'QUESTIONS', cell: ([, count]) => String(count), align: 'right' },
      ],
    }),
  );
  for (const difference of differences) process.stdout.write(`\n${describeDifference(difference)}\n`);
  const verdict = differences.length === 0 ? 'all answers are equal' : `${differences.length} answers differ`;
  process.stdout.write(
    `\n${done} questions, each to 1 and to ${SHARD_COUNTS.join(', ')} shards, seed ${seed}: ${verdict}\n`,
  );
  process.exitCode = differences.length === 0 ? 0 : 1;
}
