import { pino } from 'pino';
import { createShard, type ShardOptions } from '../../src/shard/create-shard.ts';
import { testOptions } from './test-shard.ts';

/*
 * A shard in a process of its own, to be killed: `node shard-child.ts <data folder> [open timeout in ms] [options as
 * JSON]`. Prints its ports, or why it did not start, as one line of JSON.
 */
const [, , dataDir = '', openTimeoutMs = '10000', overrides = '{}'] = process.argv;
try {
  const shard = await createShard({
    ...testOptions(dataDir),
    ...(JSON.parse(overrides) as Partial<ShardOptions>),
    openTimeoutMs: Number(openTimeoutMs),
    logger: pino({ level: 'silent' }),
  });
  process.stdout.write(`${JSON.stringify({ otlpPort: shard.otlpPort, readPort: shard.readPort })}\n`);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: (error as Error).message })}\n`);
}
