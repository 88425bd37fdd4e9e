// `npm run check`: types, lint, format, the import graph and dead exports. All of them run; any failure fails.
import { delimiter, dirname, join } from 'node:path';
import { ensureInstalled, ROOT, resolveNode, run } from './setup.mjs';

ensureInstalled({ dev: true });
const node = resolveNode();
const bin = join(ROOT, 'node_modules', '.bin');
const env = { ...process.env, PATH: [dirname(node), bin, process.env.PATH].join(delimiter) };
const checks = [
  ['types', 'tsc', ['--noEmit']],
  ['lint', 'eslint', ['src', 'test', 'bench']],
  ['format', 'biome', ['check', '--error-on-warnings']],
  ['import graph', 'depcruise', ['--config', '.dependency-cruiser.cjs', 'src', 'test', 'bench']],
  ['dead exports', 'knip', []],
];
let failures = 0;
for (const [name, command, args] of checks) {
  console.log(`\n== ${name}: ${command} ${args.join(' ')}`);
  if ((await run(join(bin, command), args, env)) !== 0) failures++;
}
console.log(failures === 0 ? '\nall checks passed' : `\n${failures} of ${checks.length} checks failed`);
process.exit(failures === 0 ? 0 : 1);
