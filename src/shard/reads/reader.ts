import type { DuckDBConnection } from '@duckdb/node-api';
import { type ParsedShardRead, SHARD_READS, type ShardReadName } from '../../shared/read/contract.ts';
import { trailerLine } from '../../shared/read/ndjson.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import type { Database } from '../store/database.ts';
import { readLogs } from './logs.ts';
import { readMetrics } from './metrics.ts';
import { query, type ReadContext, type ReadRows, type ShardRead } from './read.ts';
import { readServices } from './services.ts';
import { readSpans } from './spans.ts';
import { readTrace } from './trace.ts';

const READS: { readonly [N in ShardReadName]?: ShardRead<N> } = {
  spans: readSpans,
  trace: readTrace,
  logs: readLogs,
  metrics: readMetrics,
  services: readServices,
};

/** Reads of one shard. */
export interface Reader {
  /**
   * The NDJSON lines of one read, trailer included. Aborting the signal ends a running query and rejects; reading
   * the lines cannot fail.
   */
  read(call: ReadCall, signal: AbortSignal): Promise<Iterable<string>>;
}

/** A read with its parsed request. */
export type ReadCall = {
  [N in ShardReadName]: { readonly name: N; readonly request: ParsedShardRead<N> };
}[ShardReadName];

export type ParsedCall =
  | ReadCall
  | { readonly name: 'unknown' }
  | { readonly name: 'invalid'; readonly reason: string };

export function parseCall(name: string, body: unknown): ParsedCall {
  if (!Object.hasOwn(READS, name)) return { name: 'unknown' };
  const parsed = SHARD_READS[name as ShardReadName].safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { name: 'invalid', reason: `${issue?.path.join('.') || 'request'}: ${issue?.message}` };
  }
  return { name, request: parsed.data } as ReadCall;
}

export function createReader({ database, hash }: { database: Database; hash: Hash }): Reader {
  return {
    async read(call, signal) {
      const connection = await database.connect();
      try {
        return await interruptible(connection, signal, () => readSnapshot({ connection, hash }, call));
      } finally {
        connection.closeSync();
      }
    },
  };
}

/** Commit number and rows come from one transaction, so that they agree. */
async function readSnapshot(
  { connection, hash }: Omit<ReadContext, 'asOf'>,
  call: ReadCall,
): Promise<Iterable<string>> {
  await connection.run('BEGIN TRANSACTION READ ONLY');
  const state = await query(connection, 'SELECT last_commit FROM store.shard_state');
  const [row] = state.rows();
  const asOf = row?.[0] as bigint;
  const rows = await dispatch({ connection, hash, asOf }, call);
  await connection.run('COMMIT');
  return withTrailer(rows, asOf.toString());
}

function dispatch<N extends ShardReadName>(
  context: ReadContext,
  { name, request }: { name: N; request: ParsedShardRead<N> },
): Promise<ReadRows> {
  const read = READS[name];
  if (read === undefined) throw new Error(`there is no read ${name}`);
  return read(context, request);
}

function* withTrailer(rows: ReadRows, asOf: string): Generator<string> {
  yield* rows.lines;
  yield trailerLine({ rows: rows.count, asOf, truncated: rows.truncated });
}

const INTERRUPT_EVERY_MS = 50;

/** An interrupt that finds the query still waiting for a thread is lost, so it is repeated until the query settles. */
async function interruptible<T>(
  connection: DuckDBConnection,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  let repeat: NodeJS.Timeout | undefined;
  const interrupt = () => {
    connection.interrupt();
    repeat = setInterval(() => connection.interrupt(), INTERRUPT_EVERY_MS);
  };
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    return await work();
  } finally {
    signal.removeEventListener('abort', interrupt);
    clearInterval(repeat);
  }
}
