import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

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
  const child = fork(join(import.meta.dirname, 'sink.ts'));
  const tell = async (command: SinkCommand) => {
    const answer = once(child, 'message') as Promise<[SinkState]>;
    child.send(command);
    return (await answer)[0];
  };
  const { ports } = await tell({ kind: 'start', count });
  return {
    ports,
    tell,
    async stop() {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}
