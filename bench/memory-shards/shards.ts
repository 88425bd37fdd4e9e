import { join } from 'node:path';
import { forkChild } from '../load/child.ts';
import type { DurationPlan } from './durations.ts';
import type { RowPlan } from './rows.ts';

export type ShardOrder =
  /** Listens. */
  | { readonly kind: 'start'; readonly shard: number }
  /** From now on the spans of row reads. */
  | ({ readonly kind: 'rows' } & Omit<RowPlan, 'shard'>)
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
  holdRows(plan: Omit<RowPlan, 'shard'>): Promise<void>;
  hold(plan: DurationPlan): Promise<void>;
  delay(ms: number | undefined): Promise<void>;
  stop(): Promise<void>;
}

export async function startMemoryShards(count: number): Promise<readonly MemoryShard[]> {
  return Promise.all(Array.from({ length: count }, (_, shard) => start(shard)));
}

async function start(shard: number): Promise<MemoryShard> {
  const { tell, stop } = forkChild<ShardOrder, ShardPort>(join(import.meta.dirname, 'shard.ts'));
  const { port } = await tell({ kind: 'start', shard });
  return {
    id: `s${shard}`,
    url: `http://127.0.0.1:${port}`,
    holdRows: async plan => void (await tell({ kind: 'rows', ...plan })),
    hold: async plan => void (await tell({ kind: 'hold', plan })),
    delay: async ms => void (await tell({ kind: 'delay', ms })),
    stop,
  };
}
