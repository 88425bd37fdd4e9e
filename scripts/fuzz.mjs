// `npm run fuzz`: installs what is missing, then gives mutated input to everything that reads what others wrote.
import { join } from 'node:path';
import { ensureInstalled, ROOT, resolveNode, run } from './setup.mjs';

ensureInstalled({ dev: true });
process.exit(await run(resolveNode(), [join(ROOT, 'test', 'fuzz', 'main.ts'), ...process.argv.slice(2)]));
