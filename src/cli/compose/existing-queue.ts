import { existsSync } from 'node:fs';
import type { BatchQueue } from '../../ingest/queue/batch-queue.ts';
import { withoutSecrets } from '../../shared/config/secrets.ts';
import { UserError } from '../exit-codes.ts';
import { openQueue, type QueueParts, queueFolder } from './queue.ts';

/**
 * Lets a command look into a queue that ingest fills, while it does; nothing is made where there is none.
 * @throws UserError when there is no queue, or it does not answer
 */
export async function withExistingQueue<T>(
  parts: QueueParts,
  use: (queue: BatchQueue, shards: readonly string[]) => Promise<T>,
): Promise<T> {
  const { url } = parts.config.queue.redis;
  const folder = queueFolder(parts.config);
  if (url === undefined && !existsSync(folder)) {
    throw new UserError(
      `there is no queue in ${folder}; name its data folder (--data-dir) or its Redis (queue.redis.url)`,
    );
  }
  const where = url === undefined ? folder : withoutSecrets(url);
  const queue = await openQueue(parts).catch((error: Error) => {
    throw error instanceof UserError
      ? error
      : new UserError(`the queue in ${where} cannot be opened: ${error.message}`);
  });
  try {
    const shards = await queue.shards().catch((error: Error) => {
      throw new UserError(`the queue in ${where} does not answer: ${error.message}`);
    });
    return await use(queue, shards);
  } finally {
    await queue.stop();
  }
}
