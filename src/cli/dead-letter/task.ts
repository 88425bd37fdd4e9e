import type { Writable } from 'node:stream';
import type { BatchQueue } from '../../ingest/queue/batch-queue.ts';
import type { Config } from '../../shared/config/schema.ts';
import { EXIT } from '../exit-codes.ts';
import type { ParsedFlags } from '../flags.ts';
import type { Io } from '../io.ts';
import type { DeadLetterFilter } from './filter.ts';

/** Its stdout may be a pipe that ends early, and takes bytes. */
export interface DeadLetterIo extends Omit<Io, 'stdout'> {
  readonly stdout: Writable;
}

export interface DeadLetterTaskInput {
  readonly parsed: ParsedFlags;
  readonly filter: DeadLetterFilter;
  readonly config: Config;
  /** What follows the name of the task. */
  readonly word: string | undefined;
  readonly io: DeadLetterIo;
}

/** Opens the queue for as long as the given function runs; `shards` are those that ever had a batch. */
export type WithQueue = (
  use: (queue: BatchQueue, shards: readonly string[]) => Promise<number>,
) => Promise<number>;

/** One thing that `otelfan dead-letter` does; resolves with an exit code. */
export type DeadLetterTask = (input: DeadLetterTaskInput, withQueue: WithQueue) => Promise<number>;

export const DEAD_LETTER_EXIT = { ...EXIT, nothing: 4 } as const;
