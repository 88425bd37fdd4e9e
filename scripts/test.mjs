// `npm test`: every tier. Arguments after `--` go to Vitest, for example `npm test -- --project unit`.
import { delimiter, dirname, join } from 'node:path';
import { ensureRedisServer } from './redis.mjs';
import { ensureInstalled, fail, ROOT, resolveNode, run } from './setup.mjs';

ensureInstalled({ dev: true });
const redis = await ensureRedisServer().catch(error => fail(error.message));
const node = resolveNode();
const env = {
  // The tests start hundreds of processes; each compiles what an earlier one has not.
  NODE_COMPILE_CACHE: join(ROOT, 'node_modules', '.cache', 'compile'),
  ...process.env,
  PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
  ...(redis.url === undefined
    ? { OTELFAN_TEST_REDIS_COMMAND: JSON.stringify(redis.command) }
    : { OTELFAN_TEST_REDIS_URL: redis.url }),
};
const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
process.exit(await run(node, [vitest, 'run', ...process.argv.slice(2)], env));
