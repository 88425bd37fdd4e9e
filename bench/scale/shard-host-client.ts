import { join } from 'node:path';
import { forkChild } from '../load/child.ts';

/** Opens so many shards with so many rows each. */
export interface ShardHostOrder {
  readonly shards: number;
  readonly rows: number;
}

export interface ShardHostState {
  readonly ports: readonly number[];
}

/** Shards that answer from memory, all of them in one process. */
export interface ShardHost {
  readonly shards: readonly { readonly id: string; readonly url: string }[];
  stop(): Promise<void>;
}

export async function startShardHost(order: ShardHostOrder): Promise<ShardHost> {
  const { tell, stop } = forkChild<ShardHostOrder, ShardHostState>(
    join(import.meta.dirname, 'shard-host.ts'),
  );
  const { ports } = await tell(order);
  return { shards: ports.map((port, index) => ({ id: `s${index}`, url: `http://127.0.0.1:${port}` })), stop };
}
