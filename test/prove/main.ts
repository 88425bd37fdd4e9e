import { createProgress } from '../../src/cli/progress.ts';
import { systemClock } from '../../src/shared/time.ts';
import { parseToolFlags, refuse, wholeNumber } from '../support/tool-flags.ts';
import { prove, type RunResult } from './prove.ts';
import { detailsOf, isGreen, jsonOf, lineOf, summaryOf, tableOf } from './report.ts';
import { SAFEGUARDS } from './safeguards.ts';
import { QUICK_SLICE, SCENARIOS } from './scenarios.ts';
import { QUEUE_KINDS, type QueueKind } from './site.ts';

const LONG_MS = 3_600_000;
const USAGE = `usage: npm run prove -- [--quick | --long] [--seed S] [--only TEXT]... [--queue lmdb|redis]
                         [--without SAFEGUARD] [--json]

Starts otelfan as it is deployed, in real processes on this machine, sends records with known ids, makes trouble by a
schedule that follows from the seed, and then looks for every record that was acknowledged: there, unchanged, once.

  --quick       a slice of less than a minute
  --long        all of it again and again, each time with the next seed, for an hour
  --seed S      a whole number (default: the time of day)
  --only TEXT   scenarios with this text in their names; may be repeated
  --queue Q     on this queue only
  --without S   without one of its safeguards, which has to show, by default in the scenarios that are for it:
                ${SAFEGUARDS.map(({ name }) => name).join(', ')}
  --json        the results of each seed as one line of JSON

Exit codes: 0 nothing is wrong, 1 something is, 2 wrong flags, 130 interrupted.
`;

const { values } = parseToolFlags(USAGE, {
  options: {
    quick: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    seed: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    queue: { type: 'string' },
    without: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
if (values.quick && values.long) refuse('--quick --long: expected one of them', USAGE);
const firstSeed = wholeNumber('seed', values.seed ?? String(Date.now() % 1_000_000), USAGE);
const without = SAFEGUARDS.find(({ name }) => name === values.without);
if (values.without !== undefined && without === undefined)
  refuse(`--without ${values.without}: there is no such safeguard`, USAGE);
if (values.queue !== undefined && !(QUEUE_KINDS as readonly string[]).includes(values.queue))
  refuse(`--queue ${values.queue}: expected ${QUEUE_KINDS.join(' or ')}`, USAGE);
const queues = [values.queue, without?.queue].reduce<readonly QueueKind[]>(
  (left, wanted) => left.filter(queue => wanted === undefined || queue === wanted),
  QUEUE_KINDS,
);
const only = values.only.length > 0 ? values.only : (without?.shownBy ?? ['']);
const scenarios = (values.quick ? QUICK_SLICE : SCENARIOS).filter(({ name }) =>
  only.some(text => name.includes(text)),
);
const total = queues.flatMap(queue => scenarios.filter(scenario => scenario.queues.includes(queue))).length;
if (total === 0) {
  const names = SCENARIOS.map(({ name }) => `\n  ${name}`).join('');
  refuse(`no scenario is left; there are${names}`, USAGE);
}

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
const progress = createProgress({ stderr: process.stderr, clock: systemClock });
const startMs = performance.now();
const isOver = () => values.long && performance.now() - startMs > LONG_MS;
const failedSeeds: number[] = [];
let seed = firstSeed;

try {
  for (; ; seed += 1) {
    if (!(await runRound())) failedSeeds.push(seed);
    if (!values.long || isOver()) break;
  }
  if (values.long)
    process.stderr.write(
      `seeds ${firstSeed} to ${seed}: ${failedSeeds.length} failed ${failedSeeds.join(', ')}\n`,
    );
  if (without !== undefined)
    process.stderr.write(`without ${without.name}: ${failedSeeds.length > 0 ? 'noticed' : 'NOT NOTICED'}\n`);
  process.exitCode = failedSeeds.length > 0 ? 1 : 0;
} catch (error) {
  progress.clear();
  if (!interrupted.signal.aborted) throw error;
  process.stderr.write('interrupted; everything that was started is ended\n');
  process.exitCode = 130;
}

/** Resolves to whether nothing was wrong. */
async function runRound(): Promise<boolean> {
  const results: RunResult[] = [];
  await prove({
    seed,
    scenarios,
    queues,
    isOver,
    signal: interrupted.signal,
    ...(without && { without }),
    onNote: ({ scenario, queue }, text) =>
      progress.update(`${results.length + 1} of ${total}: ${scenario.name}, ${queue}: ${text}`),
    onResult(result) {
      results.push(result);
      progress.clear();
      process.stderr.write(`${results.length} of ${total}: ${lineOf(result)}\n`);
    },
  });
  progress.clear();
  process.stdout.write(
    values.json
      ? `${JSON.stringify(jsonOf(seed, results))}\n`
      : `${tableOf(results)}${detailsOf(results)}\n${summaryOf(seed, results)}\n`,
  );
  return results.every(isGreen);
}
