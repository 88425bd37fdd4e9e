import type { DuckDBConnection } from '@duckdb/node-api';
import type { Logger } from 'pino';
import { type Component, once } from '../../shared/lifecycle.ts';
import type { Clock } from '../../shared/time.ts';
import {
  type Commit,
  type CommitResult,
  commitBatches,
  openStore,
  type Position,
  positionOf,
  type Store,
} from './commit.ts';
import type { Database } from './database.ts';
import { gather, takeGroup } from './group.ts';
import { firstLine } from './instance.ts';
import type { RecordBatch } from './record-batch.ts';
import { isOutOfMemory } from './shortage.ts';

export type WriteOutcome =
  /** The rows are durable in this commit. Without a number the batch was known, or empty, and changed nothing. */
  | { readonly kind: 'stored'; readonly commitNo: bigint | undefined }
  /** Some of its records are there already. Nothing more was stored: what is missing can be stored in parts. */
  | { readonly kind: 'partly stored'; readonly reason: string }
  /** Nothing of the batch is stored; the same batch may succeed later. */
  | { readonly kind: 'failed'; readonly reason: string }
  /**
   * COMMIT failed and the database cannot be looked into: all of the batch is stored, or nothing. The same batch may
   * be written again; by its id, or by the export ids of its slices, it is recognised if it is there. One that has
   * neither may then be stored twice.
   */
  | { readonly kind: 'unknown'; readonly reason: string };

export type NotStored = Exclude<WriteOutcome, { readonly kind: 'stored' }>;

/**
 * The one writer of a shard: batches that arrive while a transaction runs share the next one. `stop` finishes what
 * was accepted.
 */
export interface Writer extends Component {
  write(batch: RecordBatch): Promise<WriteOutcome>;
  /** Tells every commit that stored something, after it is durable and before its writes are answered. */
  onCommit(listener: (commit: Commit) => void): void;
  /** Tells how far the data has come each time that the floor was moved, which takes a commit of its own. */
  onDeletion(listener: (position: Position) => void): void;
  /** How far the data has come; `undefined` while that is not known, or exclusive work runs, which may delete some. */
  position(): Position | undefined;
  /** Why DuckDB gave the database up (a full disk, say), until rows are stored or a checkpoint is taken again. */
  fatalFailure(): string | undefined;
  /** Runs work on the data while no transaction does, after the one that runs; ingest waits for it. */
  exclusively<T>(work: (connection: DuckDBConnection) => Promise<Exclusive<T>>): Promise<T>;
  /** After a fatal failure: opens the database again. With a checkpoint, which writes, it shows that it is well. */
  recover(options: { readonly withCheckpoint: boolean }): Promise<void>;
}

interface Exclusive<T> {
  readonly result: T;
  /** Sources were deleted, so what the writer knows of them is to be read again. */
  readonly forgetsSources?: boolean;
}

type WriterDatabase = Pick<Database, 'connectAtOnce' | 'reopenIfInvalidated' | 'longestReadMs'>;

export interface WriterOptions {
  readonly database: WriterDatabase;
  /** Why nothing can be stored now, asked before each transaction; `undefined` when it can. */
  readonly refusal?: () => Promise<string | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a sender's repeat of an export is recognised; 0 never. */
  readonly repeatWindowMs: number;
  /** How long a batch id is remembered. */
  readonly batchMemoryMs: number;
  /** Asked when memory ran out in a commit, which is tried again when there was some to free. */
  readonly freeMemory?: () => Promise<boolean>;
  /** Settles when what is decoded now is, upon which it may be written; `undefined` when nothing is. */
  readonly coming?: () => Promise<void> | undefined;
}

interface Waiting {
  readonly batch: RecordBatch;
  readonly settle: (outcome: WriteOutcome) => void;
}

/** A fatal failure has nothing to do with what was to be stored. */
type Attempt =
  | ({ readonly kind: 'stored' } & CommitResult)
  | { readonly kind: 'failed'; readonly reason: string; readonly isFatal: boolean }
  | { readonly kind: 'unknown'; readonly reason: string };

interface Failure {
  readonly cause: unknown;
  /** What is stored now, or not, if COMMIT was reached. */
  readonly result?: CommitResult;
}

export async function createWriter(options: WriterOptions): Promise<Writer> {
  const {
    database,
    clock,
    logger,
    repeatWindowMs,
    batchMemoryMs,
    refusal = () => Promise.resolve(undefined),
    coming = () => undefined,
  } = options;
  let store = await connectStore(database);
  const listeners: ((commit: Commit) => void)[] = [];
  const deletionListeners: ((position: Position) => void)[] = [];
  let isExclusive = false;
  let isConnected = true;
  const waiting: Waiting[] = [];
  let running: Promise<void> | undefined;
  let isStopped = false;
  let fatalFailure: string | undefined;
  const tasks: (() => Promise<void>)[] = [];

  async function run(): Promise<void> {
    while (waiting.length > 0 || tasks.length > 0) {
      if (waiting.length > 0) {
        if (coming() !== undefined) await gather(waiting, coming);
        await storeGroup(takeGroup(waiting));
      }
      await tasks.shift()?.();
    }
    running = undefined;
  }

  /** Runs when the work that is under way, and what waited before, is done. */
  function enqueue<T>(task: () => Promise<T>): Promise<T> {
    if (isStopped) return Promise.reject(new Error('the shard is stopping'));
    const settled = new Promise<T>((resolve, reject) => {
      tasks.push(() => task().then(resolve, reject));
    });
    running ??= run();
    return settled;
  }

  async function storeGroup(group: readonly Waiting[]): Promise<void> {
    const attempt = await commit(group);
    // One bad batch must cost only itself.
    if (attempt.kind === 'failed' && !attempt.isFatal && group.length > 1) {
      for (const one of group) await storeGroup([one]);
      return;
    }
    if (attempt.kind === 'stored' && attempt.commit !== undefined) {
      for (const listener of listeners) listener(attempt.commit);
    }
    for (const { batch, settle } of group) settle(outcomeOf(attempt, batch));
  }

  async function commit(group: readonly Waiting[]): Promise<Attempt> {
    let failure: Failure;
    try {
      const reason = await refusal();
      if (reason !== undefined) return { kind: 'failed', reason, isFatal: true };
      const outcome = await commitBatches(
        store,
        group.map(({ batch }) => batch),
        { nowMs: clock.now(), repeatWindowMs, batchMemoryMs },
      );
      if (outcome.kind === 'committed') {
        // One that found nothing new says nothing about writing.
        if (outcome.result.commit !== undefined) fatalFailure = undefined;
        return { kind: 'stored', ...outcome.result };
      }
      failure = outcome;
    } catch (error) {
      failure = { cause: error };
    }
    return afterFailure(group, failure);
  }

  async function afterFailure(group: readonly Waiting[], { cause, result }: Failure): Promise<Attempt> {
    logger.error({ err: cause, batches: group.length }, 'storing batches failed');
    const reason = firstLine(cause);
    // Storing goes before asking; reconnecting takes memory too.
    const isFreed = isOutOfMemory(cause) && (await options.freeMemory?.());
    const connection = await reconnect(cause);
    if (result?.commit !== undefined) {
      if (connection === 'none') return { kind: 'unknown', reason };
      // Nobody else writes, so a commit of this number is this one.
      if (store.position.commitNo >= result.commit.commitNo) return { kind: 'stored', ...result };
    }
    if (isFreed && connection !== 'none') return commit(group);
    return { kind: 'failed', reason, isFatal: connection !== 'again' };
  }

  /** What there is now: a new connection, one to a reopened database because DuckDB had given it up, or none. */
  async function reconnect(cause: unknown): Promise<'again' | 'reopened' | 'none'> {
    isConnected = false;
    try {
      // An open connection would keep the invalidated instance, and with it the file, open.
      store.connection.closeSync();
      const isReopened = await database.reopenIfInvalidated();
      if (isReopened) logger.warn('database reopened after a fatal error');
      store = await connectStore(database, store);
      isConnected = true;
      if (isReopened) fatalFailure ??= firstLine(cause);
      return isReopened ? 'reopened' : 'again';
    } catch (error) {
      fatalFailure = firstLine(error);
      logger.error({ err: error }, 'database cannot be reopened');
      return 'none';
    }
  }

  return {
    write(batch) {
      if (isStopped) return Promise.resolve({ kind: 'failed', reason: 'the shard is stopping' });
      return new Promise(settle => {
        waiting.push({ batch, settle });
        running ??= run();
      });
    },
    onCommit(listener) {
      listeners.push(listener);
    },
    onDeletion(listener) {
      deletionListeners.push(listener);
    },
    position: () => (isConnected && !isExclusive ? store.position : undefined),
    fatalFailure: () => fatalFailure,
    exclusively: work =>
      enqueue(async () => {
        isExclusive = true;
        const { floorNo } = store.position;
        try {
          const { result, forgetsSources = false } = await work(store.connection);
          if (forgetsSources) store = await openStoreOf(database, store.connection, store);
          else store.position = await positionOf(store.connection);
          return result;
        } catch (error) {
          await reconnect(error);
          throw error;
        } finally {
          isExclusive = false;
          if (store.position.floorNo !== floorNo)
            for (const listener of deletionListeners) listener(store.position);
        }
      }),
    recover: ({ withCheckpoint }) =>
      enqueue(async () => {
        try {
          if (withCheckpoint) await store.connection.run('CHECKPOINT');
          else await store.connection.run('SELECT 1');
          if (withCheckpoint) fatalFailure = undefined;
        } catch (error) {
          await reconnect(error);
        }
      }),
    stop: once(async () => {
      isStopped = true;
      await running;
      store.connection.closeSync();
    }),
  };
}

async function connectStore(database: WriterDatabase, before?: Store): Promise<Store> {
  const connection = await database.connectAtOnce();
  try {
    return await openStoreOf(database, connection, before);
  } catch (error) {
    // Left open, it would keep the database from being opened again.
    connection.closeSync();
    throw error;
  }
}

function openStoreOf(database: WriterDatabase, connection: DuckDBConnection, before?: Store): Promise<Store> {
  return openStore(connection, { before, longestReadMs: database.longestReadMs });
}

function outcomeOf(attempt: Attempt, batch: RecordBatch): WriteOutcome {
  if (attempt.kind !== 'stored') return { kind: attempt.kind, reason: attempt.reason };
  if (attempt.partlyStored.has(batch)) {
    return { kind: 'partly stored', reason: 'some of its records are stored already: send it in parts' };
  }
  return { kind: 'stored', commitNo: attempt.freshBatches.has(batch) ? attempt.commit?.commitNo : undefined };
}
