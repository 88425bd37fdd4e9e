import type { ReadCost } from './read-figures.ts';

/** What `explain=1` adds to an answer, and what the log says of a slow query. Times are in milliseconds. */
export function explained({ totalMs, waitedMs, mergeMs, rounds, shards }: ReadCost) {
  return {
    total_ms: tenths(totalMs),
    waited_ms: tenths(waitedMs),
    merge_ms: tenths(mergeMs),
    rounds,
    shards: shards.map(shard => ({
      id: shard.id,
      calls: shard.calls,
      queue_ms: tenths(shard.queueMs),
      connect_ms: tenths(shard.connectMs),
      first_byte_ms: tenths(shard.firstByteMs),
      transfer_ms: tenths(shard.transferMs),
      rows: shard.rows,
      bytes: shard.sizeBytes,
    })),
  };
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
