import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { createProgress } from '../../src/cli/progress.ts';
import { renderTable } from '../../src/cli/table.ts';
import { systemClock } from '../../src/shared/time.ts';
import { createDice } from '../equivalence/dice.ts';
import { parseToolFlags, refuse, wholeNumber } from '../support/tool-flags.ts';
import { startCoverage } from './coverage.ts';
import { type FuzzResult, fuzz } from './fuzz.ts';
import { knownInputs } from './known.ts';
import { targetGroups } from './targets/targets.ts';
import type { Finding } from './try-input.ts';

const USAGE = `usage: npm run fuzz -- [--seconds N] [--seed S] [--only TARGET] [--json]

Gives mutated input to everything that reads what others wrote, keeps what reaches new code, and checks each answer
against what must hold. The first input of a target that breaks something is made small and written to fuzz-findings/;
put it into test/fuzz/known/TARGET/ when it is mended, where every run begins with it.

  --seconds N    for each target (default 10)
  --seed S       a whole number (default: the time of day)
  --only TARGET  the targets whose names begin like this
  --json         results as one line of JSON
`;

const { values } = parseToolFlags(USAGE, {
  options: {
    seconds: { type: 'string', default: '10' },
    seed: { type: 'string' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const durationMs = 1000 * wholeNumber('seconds', values.seconds, USAGE);
const seed = wholeNumber('seed', values.seed ?? String(Date.now() % 1_000_000), USAGE);
const targets = (await targetGroups())
  .flatMap(group => group.targets)
  .filter(({ name }) => name.startsWith(values.only));
if (targets.length === 0) refuse(`--only ${values.only}: no target begins like this`, USAGE);

const progress = createProgress({ stderr: process.stderr, clock: systemClock });
const coverage = startCoverage('/src/');
const results: (FuzzResult & { readonly name: string })[] = [];
for (const target of targets) {
  const { name } = target;
  const result = await fuzz({
    target,
    known: knownInputs(name),
    dice: createDice(seed),
    coverage,
    clock: systemClock,
    durationMs,
    onProgress: ({ inputs, corpus }) => progress.update(`${name}: ${inputs} inputs, ${corpus} kept`),
  });
  results.push({ name, ...result });
}
progress.clear();
coverage.stop();
report();

function report(): void {
  const findings = results.filter(({ finding }) => finding !== undefined);
  if (values.json) {
    const rows = results.map(({ finding, ...row }) => ({ ...row, finding: finding && describe(finding) }));
    process.stdout.write(`${JSON.stringify({ seed, targets: rows })}\n`);
  } else {
    process.stdout.write(
      renderTable({
        rows: results,
        columns: [
          { title: 'TARGET', cell: ({ name }) => name },
          { title: 'INPUTS', cell: ({ inputs }) => String(inputs), align: 'right' },
          { title: 'KEPT', cell: ({ corpus }) => String(corpus), align: 'right' },
          { title: 'RESULT', cell: ({ finding }) => (finding === undefined ? 'ok' : 'BROKEN') },
        ],
      }),
    );
    for (const { name, finding } of findings) process.stdout.write(`\n${tell(name, finding as Finding)}\n`);
    process.stdout.write(`\nseed ${seed}: ${findings.length} of ${results.length} targets broken\n`);
  }
  process.exitCode = findings.length === 0 ? 0 : 1;
}

function describe({ input, error }: Finding) {
  return { input: input.toString('base64'), error: inspect(error) };
}

function tell(name: string, finding: Finding): string {
  const folder = join('fuzz-findings', name);
  const file = join(folder, createHash('sha256').update(finding.input).digest('hex').slice(0, 12));
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, finding.input);
  return `${name}: ${file} (${finding.input.length} bytes)\n${inspect(finding.error)}`;
}
