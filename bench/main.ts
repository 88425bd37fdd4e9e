import { parseArgs } from 'node:util';
import { benchPartition } from './cases/partition.ts';
import { benchPath } from './cases/path.ts';
import type { Figures } from './figures.ts';

const CASES: Readonly<Record<string, (options: { quick: boolean }) => Figures | Promise<Figures>>> = {
  partition: benchPartition,
  path: benchPath,
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean' } },
});
const [name = ''] = positionals;
const run = Object.hasOwn(CASES, name) ? CASES[name] : undefined;
if (run === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(CASES).join('|')} [--quick]`);
  process.exitCode = 2;
} else {
  const figures = await run({ quick: values.quick === true });
  console.log(JSON.stringify({ case: name, ...figures }));
}
