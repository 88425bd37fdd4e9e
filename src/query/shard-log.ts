import type { Logger } from 'pino';
import { createTurnLog, type TurnLog } from '../shared/turn-log.ts';
import type { Slot } from './fan-out.ts';

export interface ShardLog {
  record(slots: readonly Slot<unknown>[]): void;
}

type Failure = Extract<Slot<unknown>, { kind: 'failed' }>;
type ReadTurns = TurnLog<Failure, { readonly elapsedMs: number }>;

/** Logs when a shard starts and stops failing reads, not each failed read of a shard that is down. */
export function createShardLog(logger: Logger): ShardLog {
  const turns = new Map<string, ReadTurns>();

  function turnsOf(shardId: string): ReadTurns {
    const known = turns.get(shardId);
    if (known !== undefined) return known;
    const created: ReadTurns = createTurnLog({
      bad: ({ reason, elapsedMs }) => logger.warn({ shardId, reason, elapsedMs }, 'shard fails reads'),
      good: ({ elapsedMs }) => logger.info({ shardId, elapsedMs }, 'shard answers reads again'),
    });
    turns.set(shardId, created);
    return created;
  }

  return {
    record(slots) {
      for (const slot of slots) {
        if (slot.kind === 'failed') turnsOf(slot.shardId).bad(slot);
        if (slot.kind === 'answered') turnsOf(slot.shardId).good(slot);
      }
    },
  };
}
