import { join } from 'node:path';
import { forkChild } from '../load/child.ts';
import type { DurationPlan } from './durations.ts';

export type ShardOrder =
  /** Listens, with spans for row reads. */
  | { readonly kind: 'start'; readonly shard: number; readonly shards: number; readonly rows: number }
  /** From now on what a summary is about. */
  | { readonly kind: 'hold'; readonly plan: DurationPlan }
  /** Answers so much later from now on; without a time, never. */
  | { readonly kind: 'delay'; readonly ms: number | undefined };

export interface ShardPort {
  readonly port: number;
}

/** A shard that speaks the internal read API and has everything in memory, in a process of its own. */
export interface MemoryShard {
  readonly id: string;
  readonly url: string;
  hold(plan: DurationPlan): Promise<void>;
  delay(ms: number | undefined): Promise<void>;
  stop(): Promise<void>;
}

export async function startMemoryShards(count: number, rows: number): Promise<readonly MemoryShard[]> {
  return Promise.all(Array.from({ length: count }, (_, shard) => start({ shard, shards: count, rows })));
}

async function start(place: {
  readonly shard: number;
  readonly shards: number;
  readonly rows: number;
}): Promise<MemoryShard> {
  const { tell, stop } = forkChild<ShardOrder, ShardPort>(join(import.meta.dirname, 'shard.ts'));
  const { port } = await tell({ kind: 'start', ...place });
  return {
    id: `s${place.shard}`,
    url: `http://127.0.0.1:${port}`,
    hold: async plan => void (await tell({ kind: 'hold', plan })),
    delay: async ms => void (await tell({ kind: 'delay', ms })),
    stop,
  };
}
