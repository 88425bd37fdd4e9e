import { parseArgs } from 'node:util';
import { createProgress } from '../../src/cli/progress.ts';
import { systemClock } from '../../src/shared/time.ts';
import { prove, type RunResult } from './prove.ts';
import { detailsOf, isGreen, jsonOf, lineOf, tableOf } from './report.ts';
import { SAFEGUARDS } from './safeguards.ts';
import { SCENARIOS } from './scenarios.ts';
import type { QueueKind } from './site.ts';

const USAGE = `usage: npm run prove -- [--quick | --long] [--seed S] [--only TEXT]... [--queue lmdb|redis]
                         [--without SAFEGUARD] [--json]

Starts otelfan as it is deployed, in real processes on this machine, sends records with known ids, makes trouble by a
schedule that follows from the seed, and then looks for every record that was acknowledged.

  --quick       a slice of less than a minute
  --long        all of it again and again, each time with the next seed, for an hour
  --seed S      a whole number (default: the time of day)
  --only TEXT   scenarios with this text in their names; may be repeated
  --queue Q     on this queue only
  --without S   without one of its safeguards, which has to show:
                ${SAFEGUARDS.map(({ name }) => name).join(', ')}
  --json        the result as JSON on stdout
`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', multiple: true, default: [] },
    queue: { type: 'string', default: '' },
    without: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const LONG_MS = 3_600_000;

const seed = /^\d{1,9}$/.test(values.seed)
  ? Number(values.seed)
  : usage(`--seed ${values.seed}: expected a whole number`);
const queues = (['lmdb', 'redis'] as const).filter(queue => values.queue === '' || values.queue === queue);
if (queues.length === 0) usage(`--queue ${values.queue}: expected lmdb or redis`);
const scenarios = SCENARIOS.filter(
  ({ name, isQuick = false }) =>
    (!values.quick || isQuick) && (values.only.length === 0 || values.only.some(text => name.includes(text))),
);
if (scenarios.length === 0) {
  usage(
    `--only ${values.only.join(', ')}: no scenario has that in its name; there are\n  ${SCENARIOS.map(({ name }) => name).join('\n  ')}`,
  );
}

const without = SAFEGUARDS.find(({ name }) => name === values.without);
if (values.without !== undefined && without === undefined)
  usage(`--without ${values.without}: no such safeguard`);

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
const progress = createProgress({ stderr: process.stderr, clock: systemClock });
const startMs = performance.now();
let failed = false;

try {
  for (let round = 0; ; round += 1) {
    failed = !(await runRound(seed + round, queues)) || failed;
    if (!values.long || performance.now() - startMs > LONG_MS) break;
  }
  process.exitCode = failed ? 1 : 0;
} catch (error) {
  progress.clear();
  if (!interrupted.signal.aborted) throw error;
  process.stderr.write('interrupted; everything that was started is ended\n');
  process.exitCode = 130;
}

async function runRound(roundSeed: number, on: readonly QueueKind[]): Promise<boolean> {
  const results: RunResult[] = [];
  const total = on.reduce(
    (sum, queue) => sum + scenarios.filter(({ queues: its }) => its.includes(queue)).length,
    0,
  );
  await prove({
    seed: roundSeed,
    scenarios,
    queues: on,
    signal: interrupted.signal,
    ...(without && { without }),
    onNote: ({ scenario, queue }, text) =>
      progress.update(`${results.length + 1} of ${total}: ${scenario.name}, ${queue}: ${text}`),
    onResult(result) {
      results.push(result);
      progress.clear();
      process.stderr.write(`${results.length} of ${total}: ${lineOf(result)}\n${detailsOf([result])}`);
    },
  });
  progress.clear();
  const isAllGreen = results.every(isGreen);
  if (values.json) process.stdout.write(`${JSON.stringify(jsonOf(roundSeed, results))}\n`);
  else
    process.stdout.write(
      `${tableOf(results)}${detailsOf(results)}\nseed ${roundSeed}: ${isAllGreen ? 'nothing lost' : 'FAILED'}\n`,
    );
  return isAllGreen;
}

function usage(message: string): never {
  process.stderr.write(`${message}\n\n${USAGE}`);
  process.exit(2);
}
