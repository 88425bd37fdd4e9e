import { join } from 'node:path';
import { forkChild } from './child.ts';

export type SinkCommand =
  | { readonly kind: 'start'; readonly count: number }
  /** A shard that was down listens again where it did. */
  | { readonly kind: 'open'; readonly index: number }
  /** A shard goes down: its port is closed. */
  | { readonly kind: 'close'; readonly index: number }
  | { readonly kind: 'count' };

export interface SinkState {
  readonly ports: readonly number[];
  /** Received so far by all of them. */
  readonly bytes: number;
  readonly batches: number;
}

export interface Sinks {
  readonly ports: readonly number[];
  tell(command: SinkCommand): Promise<SinkState>;
  stop(): Promise<void>;
}

export async function startSinks(count: number): Promise<Sinks> {
  const { tell, stop } = forkChild<SinkCommand, SinkState>(join(import.meta.dirname, 'sink.ts'));
  const { ports } = await tell({ kind: 'start', count });
  return { ports, tell, stop };
}
