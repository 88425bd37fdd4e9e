import type { Logger } from 'pino';
import type { Slot } from './fan-out.ts';

export interface ShardLog {
  record(slots: readonly Slot<unknown>[]): void;
}

/** Logs when a shard starts and stops failing reads, not each failed read of a shard that is down. */
export function createShardLog(logger: Logger): ShardLog {
  const failing = new Set<string>();
  return {
    record(slots) {
      for (const slot of slots) {
        const { shardId, elapsedMs } = slot;
        if (slot.kind === 'failed' && !failing.has(shardId)) {
          failing.add(shardId);
          logger.warn({ shardId, reason: slot.reason, elapsedMs }, 'shard fails reads');
        }
        if (slot.kind === 'answered' && failing.delete(shardId))
          logger.info({ shardId, elapsedMs }, 'shard answers reads again');
      }
    },
  };
}
