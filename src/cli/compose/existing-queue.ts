import { existsSync } from 'node:fs';
import type { BatchQueue } from '../../ingest/queue/batch-queue.ts';
import type { Config } from '../../shared/config/schema.ts';
import { withoutSecrets } from '../../shared/config/secrets.ts';
import { UserError } from '../exit-codes.ts';
import { openQueue, type QueueParts, queueFolder } from './queue.ts';

/**
 * Lets a command look into a queue that ingest fills, while it does; nothing is made where there is none.
 * @throws UserError when there is no queue, or it does not answer (any more)
 */
export async function withExistingQueue<T>(
  { config, ...parts }: QueueParts,
  use: (queue: BatchQueue, shards: readonly string[]) => Promise<T>,
): Promise<T> {
  const { url } = config.queue.redis;
  const where = url === undefined ? queueFolder(config) : withoutSecrets(url);
  if (url === undefined && !existsSync(where)) {
    throw new UserError(
      `there is no queue in ${where}; name its data folder (--data-dir) or its Redis (queue.redis.url)`,
    );
  }
  const queue = await openQueue({ ...parts, config: withoutDemands(config) });
  try {
    return await use(queue, await queue.shards());
  } catch (error) {
    if (error instanceof UserError) throw error;
    // A queue that is well did not cause it, so it is a bug and must look like one.
    const reason = await queue.unavailableReason().catch((failure: Error) => failure.message);
    if (reason === undefined) throw error;
    throw new UserError(`the queue in ${where} does not answer: ${reason}`);
  } finally {
    await queue.stop();
  }
}

/** What ingest asks of its queue, nobody asks who only wants to look. */
function withoutDemands(config: Config): Config {
  return { ...config, queue: { ...config.queue, redis: { ...config.queue.redis, requireDurable: false } } };
}
