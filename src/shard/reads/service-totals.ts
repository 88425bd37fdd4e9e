import { query } from './query.ts';
import {
  type AtCommit,
  addCounts,
  type CommitRange,
  countServices,
  floorCommit,
  NO_COUNTS,
  type ServiceCounts,
  type SharedTraces,
  sharedTraces,
  within,
} from './service-counts.ts';

/**
 * What each service has in all of the commits that are left. Distinct traces cost seconds to count over many millions
 * of spans, so what was counted is kept, for segments of commits, and only what came or went since is gone through.
 * Nothing is estimated: what cannot be told from what is kept is counted anew.
 */
export interface ServiceTotals {
  at(context: AtCommit): Promise<ReadonlyMap<string, ServiceCounts>>;
}

/** Retention cuts the oldest segment, which is then counted again. */
const SEGMENT_SPANS = 200_000;

/** Of a trace that a service has in several segments only the last one counts it, so that they add up. */
interface Segment extends CommitRange {
  readonly counts: ReadonlyMap<string, ServiceCounts>;
}

/** Segments without gaps, oldest first, up to the commit that they were counted at. */
interface Totals {
  readonly asOf: bigint;
  readonly segments: readonly Segment[];
}

/** A segment grows until it has `segmentSpans`. */
export function createServiceTotals({ segmentSpans = SEGMENT_SPANS } = {}): ServiceTotals {
  let kept: Totals = { asOf: 0n, segments: [] };
  return {
    async at(context) {
      // Reads overlap: what is checked and what is gone on from have to be one and the same.
      const last = kept;
      const floor = await floorCommit(context);
      const isUsable = context.asOf >= last.asOf && !(await hasReplaced(context, last.asOf));
      const start = isUsable ? last : { asOf: floor, segments: [] };
      const counting = { ...context, segmentSpans };
      const totals = await grown(counting, await cut(counting, start, floor));
      if (totals.asOf >= kept.asOf) kept = totals;
      return countsOf(totals.segments);
    },
  };
}

interface Counting extends AtCommit {
  readonly segmentSpans: number;
}

/** Whether spans that were counted at a commit have been replaced since. */
async function hasReplaced({ connection, asOf }: AtCommit, countedAt: bigint): Promise<boolean> {
  const result = await query(
    connection,
    `SELECT 1 FROM store.spans
     WHERE replaced_at > ${countedAt} AND replaced_at <= ${asOf} AND commit_no <= ${countedAt} LIMIT 1`,
  );
  return result.count > 0;
}

/** Without the commits that are gone: whole segments, and a part of one that is counted again. */
async function cut(context: Counting, { asOf, segments }: Totals, floor: bigint): Promise<Totals> {
  if (asOf <= floor) return { asOf: floor, segments: [] };
  const left = segments.filter(segment => segment.upTo > floor);
  const [first] = left;
  if (first === undefined || first.after >= floor) return { asOf, segments: left };
  const rest = { after: floor, upTo: first.upTo };
  const counted = await segmentsOf(context, rest);
  const later = await sharedTraces(context, rest, { after: rest.upTo, upTo: asOf });
  return { asOf, segments: [...without(counted, later), ...left.slice(1)] };
}

/** With the commits that came. Traces that go on in them are no longer counted where they were last before. */
async function grown(context: Counting, { asOf, segments }: Totals): Promise<Totals> {
  // Retention may have moved the floor beyond the commit that is read at, when no spans were deleted.
  if (context.asOf <= asOf) return { asOf, segments };
  const added = { after: asOf, upTo: context.asOf };
  const [first] = segments;
  const shared =
    first === undefined ? [] : await sharedTraces(context, { after: first.after, upTo: asOf }, added);
  const fresh = await segmentsOf(context, added);
  return { asOf: context.asOf, segments: joined(without(segments, shared), fresh, context.segmentSpans) };
}

/** A range of commits in segments of about as many spans as one may have. */
async function segmentsOf(context: Counting, range: CommitRange): Promise<readonly Segment[]> {
  const commits = range.upTo - range.after;
  const size = await query(
    context.connection,
    `SELECT coalesce(sum(spans), 0)::BIGINT FROM store.commits WHERE ${within(range)}`,
  );
  const [spans = 0n] = size.column(0) as Iterable<bigint>;
  const parts = spans / BigInt(context.segmentSpans) + 1n;
  const commitsPerPart = (commits + parts - 1n) / parts;
  const counted = Map.groupBy(await countServices(context, range, commitsPerPart), ({ part }) => part);
  return Array.from({ length: Number((commits + commitsPerPart - 1n) / commitsPerPart) }, (_, part) => {
    const after = range.after + BigInt(part) * commitsPerPart;
    const end = after + commitsPerPart;
    const counts = new Map(counted.get(part)?.map(({ service, counts }) => [service, counts]));
    return { after, upTo: end < range.upTo ? end : range.upTo, counts };
  });
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
  let sum = 0;
  for (const { spans } of counts.values()) sum += spans;
  return sum;
}

function countsOf(segments: readonly Segment[]): ReadonlyMap<string, ServiceCounts> {
  const sum = new Map<string, ServiceCounts>();
  for (const { counts } of segments) for (const [service, more] of counts) addTo(sum, service, more);
  return sum;
}

function addTo(counts: Map<string, ServiceCounts>, service: string, more: ServiceCounts): void {
  counts.set(service, addCounts(counts.get(service) ?? NO_COUNTS, more));
}
