// `npm start`: everything on one machine. Arguments after `--` go to `otelfan up`.
import { join } from 'node:path';
import { ensureInstalled, ROOT, resolveNode, run } from './setup.mjs';

ensureInstalled({ dev: false });
process.exit(await run(resolveNode(), [join(ROOT, 'bin', 'otelfan.mjs'), 'up', ...process.argv.slice(2)]));
