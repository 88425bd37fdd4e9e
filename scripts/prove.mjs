// `npm run prove`: installs what is missing, then breaks a running otelfan in every way we know and looks for losses.
import { join } from 'node:path';
import { ensureRedisServer } from './redis.mjs';
import { ensureInstalled, fail, ROOT, resolveNode, run } from './setup.mjs';

ensureInstalled({ dev: true });
const redis = await ensureRedisServer().catch(error => fail(error.message));
const env = {
  // Every scenario starts processes; each compiles what an earlier one has not.
  NODE_COMPILE_CACHE: join(ROOT, 'node_modules', '.cache', 'compile'),
  ...process.env,
  ...(redis.command && { OTELFAN_TEST_REDIS_COMMAND: JSON.stringify(redis.command) }),
};
process.exit(
  await run(resolveNode(), [join(ROOT, 'test', 'prove', 'main.ts'), ...process.argv.slice(2)], env),
);
