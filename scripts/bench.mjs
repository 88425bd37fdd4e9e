// `npm run bench -- CASE`: installs what is missing, then runs one benchmark.
import { join } from 'node:path';
import { ensureInstalled, ROOT, resolveNode, run } from './setup.mjs';

ensureInstalled({ dev: true });
process.exit(await run(resolveNode(), [join(ROOT, 'bench', 'main.ts'), ...process.argv.slice(2)]));
