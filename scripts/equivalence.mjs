// `npm run test:equivalence`: installs what is missing, then compares one shard with several.
import { join } from 'node:path';
import { ensureInstalled, ROOT, resolveNode, run } from './setup.mjs';

ensureInstalled({ dev: true });
process.exit(
  await run(resolveNode(), [join(ROOT, 'test', 'equivalence', 'main.ts'), ...process.argv.slice(2)]),
);
