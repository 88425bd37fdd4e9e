// `npm run bench -- CASE`: installs what is missing, then runs one benchmark.
import { join } from 'node:path';
import { ensureRedisServer } from './redis.mjs';
import { ensureInstalled, fail, ROOT, resolveNode, run } from './setup.mjs';

ensureInstalled({ dev: true });
const redis = await ensureRedisServer().catch(error => fail(error.message));
const env = {
  ...process.env,
  ...(redis.command && { OTELFAN_TEST_REDIS_COMMAND: JSON.stringify(redis.command) }),
};
process.exit(await run(resolveNode(), [join(ROOT, 'bench', 'main.ts'), ...process.argv.slice(2)], env));
