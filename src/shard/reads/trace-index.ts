import type { DuckDBConnection } from '@duckdb/node-api';
import { type Position, positionOf } from '../store/commit.ts';
import type { TracesOfCommit } from '../store/trace-order.ts';
import { greater, lesser } from './bigints.ts';
import { type AtOnce, learnTraces } from './learn-traces.ts';
import { query } from './query.ts';
import { type AtCommit, type CommitRange, within } from './service-counts.ts';
import { halvesOf, type TraceCommit, TraceTable } from './trace-table.ts';
import { createParameters } from './where.ts';

interface TraceSearch {
  /** `xxh64` of the ids of the traces, each once. */
  readonly keys: readonly bigint[];
  /** Only commits after it; all when left out. */
  readonly after?: bigint;
}

/** By key, the oldest commit first; a trace that no commit has is not there. */
type TraceCommits = ReadonlyMap<bigint, readonly TraceCommit[]>;

/**
 * Knows which commits have spans of a trace, so that reads need not ask the database, which goes through all traces
 * for that. What a commit stored never changes; what retention deletes is known for longer, and found empty.
 */
export interface TraceIndex {
  /** Takes the traces of a commit. They come in turn; when one is missing nothing older is known any more. */
  add(commitNo: bigint, traces: TracesOfCommit): void;
  /** Forgets what retention has deleted. */
  forget(position: Position): void;
  /**
   * The commits, up to the one that is read at, that have spans of the traces. Some may have none: their hash was mistaken
   * for another, or retention has deleted them.
   */
  commitsOf(context: AtCommit, search: TraceSearch): Promise<TraceCommits>;
  /** Whether older commits are left to learn, and there is memory for it. */
  isBehind(): boolean;
  /** Learns what they have, in a transaction. */
  learn(connection: DuckDBConnection): Promise<void>;
}

interface Options {
  /** Of memory. Beyond it the oldest commits are forgotten. */
  readonly mostBytes: number;
  /** Traces of commits that share a table, unless one alone has more. */
  readonly tableTraces?: number;
  /** Tables that are looked into at once, each for each trace: beyond it the database is asked. */
  readonly mostLooks?: number;
  readonly learnedAtOnce?: AtOnce;
}

const TABLE_TRACES = 90_000;
/** Some three milliseconds of the main thread. */
const MOST_LOOKS = 10_000;

/** A commit of the trace with a key. */
type Found = readonly [key: bigint, commit: TraceCommit];

export function createTraceIndex({
  mostBytes,
  tableTraces = TABLE_TRACES,
  mostLooks = MOST_LOOKS,
  learnedAtOnce,
}: Options): TraceIndex {
  /** One after the other, the oldest first. */
  let tables: readonly TraceTable[] = [];
  let isFull = false;
  /** After the last deletion that is known of. */
  let deletion: Position = { commitNo: 0n, floorNo: 0n };

  function known(): CommitRange | undefined {
    const [first] = tables;
    const last = tables.at(-1);
    return first && last && { after: first.after, upTo: last.upTo };
  }

  /** Where the index does not say what is there. Who reads at a position, or later, finds nothing up to its floor. */
  function unknown({ after, upTo }: CommitRange): readonly CommitRange[] {
    const range = known() ?? { after: upTo, upTo };
    const nothingUpTo = upTo >= deletion.commitNo ? deletion.floorNo : 0n;
    return [
      { after: greater(after, nothingUpTo), upTo: lesser(upTo, range.after) },
      { after: greater(after, range.upTo), upTo },
    ].filter(each => each.after < each.upTo);
  }

  function forgetOldest(): void {
    let sizeBytes = sizeOf(tables);
    while (sizeBytes > mostBytes && tables.length > 1) {
      sizeBytes -= tables[0]?.sizeBytes ?? 0;
      tables = tables.slice(1);
      isFull = true;
    }
  }

  function forget(position: Position): void {
    if (position.commitNo >= deletion.commitNo) deletion = position;
    tables = tables.filter((table, index) => table.upTo > deletion.floorNo || index === tables.length - 1);
  }

  function isBehind(): boolean {
    const range = known();
    return range === undefined || (!isFull && range.after > deletion.floorNo);
  }

  return {
    add(commitNo, traces) {
      const { upTo = -1n } = known() ?? {};
      // One that could be seen before it was told of is learned with the older ones.
      if (commitNo <= upTo) return;
      if (commitNo !== upTo + 1n) {
        tables = [];
        isFull = false;
      }
      let last = tables.at(-1);
      if (last === undefined || !last.hasRoomFor(traces.count)) {
        last = new TraceTable(commitNo - 1n, Math.max(tableTraces, traces.count));
        tables = [...tables, last];
      }
      last.addCommit(traces);
      forgetOldest();
    },

    forget,
    isBehind,

    async learn(connection) {
      const position = await positionOf(connection);
      // What comes next goes on from there.
      if (tables.length === 0) tables = [new TraceTable(position.commitNo, tableTraces)];
      forget(position);
      const before = known()?.after ?? 0n;
      // A transaction that began earlier does not see all of what is older.
      if (!isBehind() || position.commitNo < before) return;
      const older = { after: deletion.floorNo, upTo: before };
      for await (const table of learnTraces(connection, older, learnedAtOnce)) {
        // What was forgotten meanwhile is missing before what is known.
        if (known()?.after !== table.upTo) return;
        tables = [table, ...tables];
        forgetOldest();
        if (isFull) return;
      }
    },

    async commitsOf(context, { keys, after = 0n }) {
      const range = { after, upTo: context.asOf };
      const inRange = tables.filter(table => table.upTo > after && table.after < range.upTo);
      if (keys.length * inRange.length > mostLooks) return byKey(await storedCommits(context, keys, [range]));
      // Before the database answers, too: what is known now may be forgotten by then.
      const found = commitsIn(inRange, keys, range);
      const missing = unknown(range);
      if (missing.length === 0 || keys.length === 0) return byKey(found);
      return byKey([...found, ...(await storedCommits(context, keys, missing))]);
    },
  };
}

function commitsIn(
  tables: readonly TraceTable[],
  keys: readonly bigint[],
  { after, upTo }: CommitRange,
): readonly Found[] {
  const found: Found[] = [];
  for (const key of keys) {
    const halves = halvesOf(key);
    for (const table of tables)
      for (const commit of table.commitsOf(halves))
        if (commit.commitNo > after && commit.commitNo <= upTo) found.push([key, commit]);
  }
  return found;
}

function byKey(found: readonly Found[]): TraceCommits {
  const inTurn = found.toSorted(([, one], [, other]) => (one.commitNo < other.commitNo ? -1 : 1));
  const groups = Map.groupBy(inTurn, ([key]) => key);
  return new Map(Array.from(groups, ([key, all]) => [key, all.map(([, commit]) => commit)]));
}

function sizeOf(tables: readonly TraceTable[]): number {
  return tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

async function storedCommits(
  { connection }: AtCommit,
  keys: readonly bigint[],
  ranges: readonly CommitRange[],
): Promise<readonly Found[]> {
  const parameters = createParameters();
  const ofTraces = `trace_key IN ${parameters.unsignedNumbers(keys)}`;
  const each = ranges.map(
    range =>
      `SELECT trace_key, commit_no, repeats FROM store.trace_commits WHERE ${within(range)} AND ${ofTraces}`,
  );
  const result = await query(connection, each.join(' UNION ALL '), parameters);
  const rows = result.rows() as Iterable<[bigint, bigint, boolean]>;
  return Array.from(rows, ([key, commitNo, repeats]) => [key, { commitNo, repeats }]);
}
