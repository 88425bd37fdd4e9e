import { aborted } from 'node:util';
import type { DuckDBConnection } from '@duckdb/node-api';
import { type ParsedShardRead, SHARD_READS, type ShardReadName } from '../../shared/read/contract.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import type { Position } from '../store/commit.ts';
import type { Database } from '../store/database.ts';
import { keepInterrupting } from '../store/interrupt.ts';
import type { TracesOfCommit } from '../store/trace-order.ts';
import { inTransaction } from '../store/transaction.ts';
import type { Writer } from '../store/writer.ts';
import { createAnswerRoom } from './answer-room.ts';
import { createAttributeValues } from './attribute-values.ts';
import type { SnapshotCall } from './call.ts';
import { type AnswerCaps, capped, capsFor } from './capped.ts';
import { readComments } from './comments.ts';
import { readDurationBuckets } from './duration-buckets.ts';
import { createDurationSegments } from './duration-segments.ts';
import { readDurationValues } from './duration-values.ts';
import { readGroupCounts } from './group-counts.ts';
import { readHoldings } from './holdings.ts';
import { createKnownSources } from './known-sources.ts';
import { createLandmarks, RowsMovedError } from './landmarks.ts';
import { readLogs } from './logs.ts';
import { readMetrics } from './metrics.ts';
import type { ReadContext, ShardRead } from './read.ts';
import { createServiceTotals, type ServiceTotals } from './service-totals.ts';
import { readServices } from './services.ts';
import { createSlotsHeld } from './slots-held.ts';
import { beginSnapshot } from './snapshot.ts';
import { readSpanSlots } from './span-slots.ts';
import { readSpanTotals } from './span-totals.ts';
import { readSpans } from './spans.ts';
import { readTrace } from './trace.ts';
import { readTraceIds } from './trace-ids.ts';
import { createTraceIndex } from './trace-index.ts';
import { readTraceTerms } from './trace-terms.ts';
import { isOverEverything } from './where.ts';

const READS: { readonly [N in ShardReadName]: ShardRead<N> } = {
  spans: readSpans,
  trace: readTrace,
  logs: readLogs,
  metrics: readMetrics,
  comments: readComments,
  services: readServices,
  spanTotals: readSpanTotals,
  spanSlots: readSpanSlots,
  traceIds: readTraceIds,
  traceTerms: readTraceTerms,
  durationBuckets: readDurationBuckets,
  durationValues: readDurationValues,
  groupCounts: readGroupCounts,
  holdings: readHoldings,
};

/** Reads of one shard. */
export interface Reader {
  /** Aborting the signal ends a running query and rejects. */
  read(call: SnapshotCall, signal: AbortSignal): Promise<ReadAnswer>;
  /** Counts what `services` and `spanTotals` go on from. Such reads wait for it: they would count the same beside it. */
  warmUp(signal: AbortSignal): Promise<void>;
  /** Learns where traces are, if that is not known already. */
  learn(signal: AbortSignal): Promise<void>;
  /** Stores what `services` and `spanTotals` go on from, for the next start; see {@link ServiceTotals}. */
  store(connection: DuckDBConnection): Promise<void>;
}

type ReadAnswer =
  /** NDJSON lines of all reads, trailers included. Going through them cannot fail. */
  | { readonly kind: 'read'; readonly asOf: bigint; readonly lines: Iterable<string> }
  | { readonly kind: 'gone'; readonly reason: string };

export interface ReaderDeps {
  readonly database: Database;
  readonly hash: Hash;
  readonly caps: AnswerCaps;
  /** Tells of what it has stored and deleted, and how far it has come. */
  readonly writer: Pick<Writer, 'position' | 'onCommit' | 'onDeletion'>;
  /** Memory for knowing where traces are. */
  readonly indexBytes: number;
}

/** What reads leave for those that follow. */
type Kept = Pick<
  ReadContext,
  'serviceTotals' | 'attributeValues' | 'durations' | 'slotsHeld' | 'sources' | 'traceIndex'
>;

function createKept(indexBytes: number): Kept {
  return {
    serviceTotals: createServiceTotals(),
    attributeValues: createAttributeValues(),
    durations: createDurationSegments(),
    slotsHeld: createSlotsHeld(),
    sources: createKnownSources(),
    traceIndex: createTraceIndex({ mostBytes: indexBytes }),
  };
}

export function createReader(deps: ReaderDeps): Reader {
  const { database } = deps;
  const keep = () => ({ openings: database.openings(), kept: createKept(deps.indexBytes) });
  let last = keep();
  /** Of the database as it is open now. */
  const keptNow = () => {
    if (last.openings !== database.openings()) last = keep();
    return last.kept;
  };
  deps.writer.onCommit(({ commitNo, traces }) => keptNow().traceIndex.add(commitNo, traces));
  deps.writer.onDeletion(position => {
    const { traceIndex } = keptNow();
    // It took a commit number, without which one would seem to be missing.
    traceIndex.add(position.commitNo, NO_TRACES);
    traceIndex.forget(position);
  });
  let warming: Promise<unknown> = Promise.resolve();
  async function connected<T>(
    signal: AbortSignal,
    work: (connection: DuckDBConnection, kept: Kept) => Promise<T>,
  ): Promise<T> {
    const connection = await database.connect();
    try {
      const kept = keptNow();
      return await interruptible(connection, signal, () => work(connection, kept));
    } finally {
      connection.closeSync();
    }
  }
  const read: Reader['read'] = async (call, signal) => {
    for (let attempt = 1; ; attempt++) {
      // Where rows are deleted again and again, what the transaction sees is asked for in it.
      const position = attempt === 1 ? deps.writer.position : () => undefined;
      try {
        return await connected(signal, (connection, kept) =>
          readAll(connection, call, { ...deps, kept, position }),
        );
      } catch (error) {
        if (!(error instanceof RowsMovedError) || attempt === MOST_ATTEMPTS) throw error;
      }
    }
  };
  return {
    async read(call, signal) {
      if (call.calls.some(usesTotals)) {
        await Promise.race([warming, aborted(signal, call)]);
        signal.throwIfAborted();
      }
      return read(call, signal);
    },
    async warmUp(signal) {
      const counted = read(SERVICES, signal);
      warming = counted.catch(() => undefined);
      await counted;
    },
    async learn(signal) {
      if (!keptNow().traceIndex.isBehind()) return;
      await connected(signal, (connection, { traceIndex }) =>
        inTransaction(connection, () => traceIndex.learn(connection)),
      );
    },
    store: connection => keptNow().serviceTotals.store(connection),
  };
}

/** Whether it goes on from what was counted of services. */
function usesTotals({ name, request }: SnapshotCall['calls'][number]): boolean {
  return (name === 'services' || name === 'spanTotals') && isOverEverything(request);
}

const NO_TRACES: TracesOfCommit = { count: 0, keys: new Int32Array(), repeats: new Uint8Array() };

/** Of a read that rows move under: what has been dropped once is not there to be dropped again. */
const MOST_ATTEMPTS = 5;

const SERVICES: SnapshotCall = {
  asOf: undefined,
  calls: [{ name: 'services', request: SHARD_READS.services.parse({}) }],
};

interface Reading extends Pick<ReaderDeps, 'hash' | 'caps'> {
  readonly kept: Kept;
  readonly position: () => Position | undefined;
}

/** All rows come from one transaction, which has every row of the commit that they are read at. */
async function readAll(
  connection: DuckDBConnection,
  call: SnapshotCall,
  { hash, caps: ownCaps, kept, position }: Reading,
): Promise<ReadAnswer> {
  const caps = capsFor(ownCaps, call.maxBytes);
  const snapshot = await beginSnapshot(connection, call, position);
  if (snapshot.kind === 'gone') return snapshot;
  const { asOf } = snapshot;
  const answers: Iterable<string>[] = [];
  for (const each of call.calls) {
    const room = createAnswerRoom(caps.maxBytes);
    const landmarks = createLandmarks();
    const mostRows = caps.maxRows + 1;
    const context = { ...kept, connection, hash, asOf, mostRows, room, landmarks };
    const lines = await dispatch(context, each);
    await landmarks.check(connection);
    answers.push(capped(lines, { asOf, caps, isCut: room.isCut() }));
  }
  return { kind: 'read', asOf, lines: chained(answers) };
}

function dispatch<N extends ShardReadName>(
  context: ReadContext,
  { name, request }: { name: N; request: ParsedShardRead<N> },
): Promise<Iterable<string>> {
  return READS[name](context, request);
}

function* chained<T>(parts: readonly Iterable<T>[]): Generator<T> {
  for (const part of parts) yield* part;
}

/** Ends the work when the signal is aborted. */
async function interruptible<T>(
  connection: DuckDBConnection,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  let stop: (() => void) | undefined;
  const interrupt = () => {
    stop = keepInterrupting(connection);
  };
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    return await work();
  } finally {
    signal.removeEventListener('abort', interrupt);
    stop?.();
  }
}
