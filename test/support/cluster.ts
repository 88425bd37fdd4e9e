import type { ShardOptions } from '../../src/shard/create-shard.ts';
import { type HarnessOptions, type QueryHarness, startQuery } from './query-harness.ts';
import { shardSpec } from './stub-shard.ts';
import { startTestShard, type TestShard } from './test-shard.ts';

/** Real shards `s0`, `s1`, … and a query proxy over them. */
export interface Cluster {
  readonly shards: readonly TestShard[];
  readonly query: QueryHarness;
  stop(): Promise<void>;
}

export async function startCluster(
  shardCount: number,
  options: HarnessOptions = {},
  shardOptions: Partial<ShardOptions> = {},
): Promise<Cluster> {
  const shards = await Promise.all(Array.from({ length: shardCount }, () => startTestShard(shardOptions)));
  const specs = shards.map(({ readUrl }, index) => shardSpec(`s${index}`, Number(new URL(readUrl).port)));
  const query = await startQuery(specs, { timeoutMs: 20_000, ...options });
  return {
    shards,
    query,
    async stop() {
      await query.stop();
      await Promise.all(shards.map(shard => shard.remove()));
    },
  };
}
