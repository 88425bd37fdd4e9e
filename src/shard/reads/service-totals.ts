import type { DuckDBConnection } from '@duckdb/node-api';
import { query } from './query.ts';
import {
  type AtCommit,
  addCounts,
  type CommitRange,
  type CountsByService,
  countServices,
  FLOOR_COMMIT,
  NO_COUNTS,
  type Segment,
  type ServiceCounts,
  type SharedTraces,
  sharedTraces,
  type Totals,
  within,
} from './service-counts.ts';
import { loadTotals, storeTotals } from './stored-totals.ts';

/**
 * What each service, and all together, have in all of the commits that are left. Distinct traces cost seconds to count
 * over many millions of spans, so what was counted is kept, for segments of commits and from one process to the next,
 * and only what came or went since is gone through.
 * Nothing is estimated: what cannot be told from what is kept is counted anew.
 */
export interface ServiceTotals {
  at(context: AtCommit): Promise<CountsByService>;
  /** Stores what is kept, for the next process to go on from. For the writer's connection, while nothing is written. */
  store(connection: DuckDBConnection): Promise<void>;
}

/** Retention cuts the oldest segment, which is then counted again. */
const SEGMENT_SPANS = 200_000;

/** A segment grows until it has `segmentSpans`. */
export function createServiceTotals({ segmentSpans = SEGMENT_SPANS } = {}): ServiceTotals {
  let kept: Totals | undefined;
  let stored: Totals | undefined;
  return {
    async at(context) {
      stored ??= await loadTotals(context.connection);
      // Reads overlap: what is checked and what is gone on from have to be one and the same.
      const last = kept ?? stored;
      const { floor, hasReplaced, addedSpans } = await changesSince(context, last.asOf);
      const isUsable = context.asOf >= last.asOf && !hasReplaced;
      const start = isUsable ? last : { asOf: floor, segments: [] };
      const counting = { ...context, segmentSpans };
      const left = await cut(counting, start, floor);
      const totals = await grown(counting, left, isUsable ? addedSpans : undefined);
      if (totals.asOf >= (kept ?? last).asOf) kept = totals;
      return countsOf(totals.segments);
    },
    async store(connection) {
      if (kept === undefined || kept.asOf === stored?.asOf) return;
      await storeTotals(connection, kept);
      stored = kept;
    },
  };
}

interface Counting extends AtCommit {
  readonly segmentSpans: number;
}

interface Changes {
  /** The last commit that retention has deleted. */
  readonly floor: bigint;
  /** Whether spans that were counted have been replaced since. */
  readonly hasReplaced: boolean;
  /** Of the commits since. */
  readonly addedSpans: bigint;
}

/** In one query, which waits for its turn beside ingest once. */
async function changesSince({ connection, asOf }: AtCommit, countedAt: bigint): Promise<Changes> {
  const result = await query(
    connection,
    `SELECT
       ${FLOOR_COMMIT},
       EXISTS (SELECT 1 FROM store.spans
         WHERE replaced_at > ${countedAt} AND replaced_at <= ${asOf} AND commit_no <= ${countedAt}),
       (SELECT coalesce(sum(spans), 0)::BIGINT FROM store.commits
         WHERE ${within({ after: countedAt, upTo: asOf })})`,
  );
  const [[floor, hasReplaced, addedSpans]] = [...result.rows()] as [[bigint, boolean, bigint]];
  return { floor, hasReplaced, addedSpans };
}

/** Without the commits that are gone: whole segments, and a part of one that is counted again. */
async function cut(context: Counting, { asOf, segments }: Totals, floor: bigint): Promise<Totals> {
  if (asOf <= floor) return { asOf: floor, segments: [] };
  const left = segments.filter(segment => segment.upTo > floor);
  const [first] = left;
  if (first === undefined || first.after >= floor) return { asOf, segments: left };
  const rest = { after: floor, upTo: first.upTo };
  const counted = await segmentsOf(context, rest, undefined);
  const later = await sharedTraces(context, rest, { after: rest.upTo, upTo: asOf });
  return { asOf, segments: [...without(counted, later), ...left.slice(1)] };
}

/** With the commits that came. Traces that go on in them are no longer counted where they were last before. */
async function grown(
  context: Counting,
  { asOf, segments }: Totals,
  addedSpans: bigint | undefined,
): Promise<Totals> {
  // Retention may have moved the floor beyond the commit that is read at, when no spans were deleted.
  if (context.asOf <= asOf) return { asOf, segments };
  const added = { after: asOf, upTo: context.asOf };
  const [first] = segments;
  const shared =
    first === undefined ? [] : await sharedTraces(context, { after: first.after, upTo: asOf }, added);
  const fresh = await segmentsOf(context, added, addedSpans);
  return { asOf: context.asOf, segments: joined(without(segments, shared), fresh, context.segmentSpans) };
}

/** A range of commits, of so many spans, in segments of about as many as one may have. */
async function segmentsOf(
  context: Counting,
  range: CommitRange,
  spans: bigint | undefined,
): Promise<readonly Segment[]> {
  const commits = range.upTo - range.after;
  const parts = (spans ?? (await spansIn(context, range))) / BigInt(context.segmentSpans) + 1n;
  const commitsPerPart = (commits + parts - 1n) / parts;
  const counted = Map.groupBy(await countServices(context, range, commitsPerPart), ({ part }) => part);
  return Array.from({ length: Number((commits + commitsPerPart - 1n) / commitsPerPart) }, (_, part) => {
    const after = range.after + BigInt(part) * commitsPerPart;
    const end = after + commitsPerPart;
    const counts = new Map(counted.get(part)?.map(({ service, counts }) => [service, counts]));
    return { after, upTo: end < range.upTo ? end : range.upTo, counts };
  });
}

async function spansIn({ connection }: AtCommit, range: CommitRange): Promise<bigint> {
  const result = await query(
    connection,
    `SELECT coalesce(sum(spans), 0)::BIGINT FROM store.commits WHERE ${within(range)}`,
  );
  const [spans = 0n] = result.column(0) as Iterable<bigint>;
  return spans;
}

/** Without traces that later commits have, each taken from the segment of its last commit. */
function without(segments: readonly Segment[], later: readonly SharedTraces[]): readonly Segment[] {
  if (later.length === 0) return segments;
  const changed = segments.map(segment => ({ ...segment, counts: new Map(segment.counts) }));
  for (const { service, lastCommit, traces } of later) {
    const segment = changed.find(({ upTo }) => lastCommit <= upTo);
    if (segment !== undefined) addTo(segment.counts, service, { ...NO_COUNTS, traces: -traces });
  }
  return changed;
}

/** The last segment takes the ones that follow while it is small. */
function joined(
  segments: readonly Segment[],
  following: readonly Segment[],
  segmentSpans: number,
): readonly Segment[] {
  const all = [...segments];
  for (const added of following) {
    const last = all.at(-1);
    if (last === undefined || spansOf(last) + spansOf(added) > segmentSpans) all.push(added);
    else all[all.length - 1] = { after: last.after, upTo: added.upTo, counts: countsOf([last, added]) };
  }
  return all;
}

function spansOf({ counts }: Segment): number {
  return counts.get(null)?.spans ?? 0;
}

function countsOf(segments: readonly Segment[]): CountsByService {
  const sum = new Map<string | null, ServiceCounts>();
  for (const { counts } of segments) for (const [service, more] of counts) addTo(sum, service, more);
  return sum;
}

function addTo(counts: Map<string | null, ServiceCounts>, service: string | null, more: ServiceCounts): void {
  counts.set(service, addCounts(counts.get(service) ?? NO_COUNTS, more));
}
