import { greater, lesser } from './bigints.ts';
import {
  type CountedDurations,
  countDurations,
  type DurationCounts,
  type DurationGrouping,
  type DurationQuestion,
  sizeOf,
  sumOf,
} from './duration-counts.ts';
import { query } from './query.ts';
import { type AtCommit, type CommitRange, FLOOR_COMMIT, within } from './service-counts.ts';

/**
 * Counts durations without going through all spans each time: what was counted in segments of commits is kept. Records
 * come about in the order of their times, so that a window is whole segments but for its ends, which are gone through.
 * Nothing is estimated: what cannot be told from what is kept is counted anew.
 */
export interface DurationSegments {
  count(context: AtCommit, question: DurationQuestion): Promise<DurationCounts>;
}

/** Commits that follow each other. */
interface Segment extends CommitRange {
  /** None of its spans began later. */
  readonly latestNs: bigint;
  /** How often it was joined of smaller ones. */
  readonly level: number;
  /** Absent until it is asked for, and without counts when they are too many to keep. */
  readonly counted?: CountedDurations | 'too many';
}

/** Of questions that are grouped alike. */
interface Kept {
  /** The commit at which the counts are right. */
  readonly asOf: bigint;
  /** Oldest first, one behind the other. */
  readonly segments: readonly Segment[];
}

interface Sizes {
  /** To go through a segment of so many takes some 15 ms. */
  readonly segmentSpans: number;
  /** So many neighbours are joined, of which the sum alone is kept. */
  readonly joined: number;
  /** Of a segment; each takes some 200 bytes. */
  readonly mostBuckets: number;
}

const SIZES: Sizes = { segmentSpans: 200_000, joined: 8, mostBuckets: 30_000 };
/** Joined more often, too much would be gone through at the ends of a window. */
const MOST_LEVEL = 2;

export function createDurationSegments(sizes = SIZES): DurationSegments {
  const keptOf = new Map<string, Kept>();
  return {
    async count(context, question) {
      const grouping = { scale: question.scale, byService: question.byService };
      const name = JSON.stringify(grouping);
      const kept = keptOf.get(name);
      // To count in segments takes longer, and a question may never come again.
      if (kept === undefined) keptOf.set(name, { asOf: 0n, segments: [] });
      // What is kept may be of commits that are not to be seen.
      if (kept === undefined || context.asOf < kept.asOf)
        return scan(context, question, [{ after: 0n, upTo: context.asOf }]);
      const { floor, replaced } = await changesSince(context, kept);
      const left = kept.segments.flatMap(segment => leftOf(segment, { floor, replaced }));
      const known = [...left, ...(await segmentsBehind(context, left.at(-1)?.upTo ?? floor, sizes))];
      const segments: Segment[] = [];
      for (const segment of joinedSegments(known, { ...sizes, isWanted: inMidst(question, known) }))
        segments.push(
          endsIn(question, segment)
            ? await withCounts(context, { ...grouping, most: sizes.mostBuckets + 1 }, segment)
            : segment,
        );
      const isLater = context.asOf >= (keptOf.get(name)?.asOf ?? 0n);
      if (isLater && segments.some((segment, index) => segment !== kept.segments[index]))
        keptOf.set(name, { asOf: context.asOf, segments });
      const whole = segments.flatMap(segment => wholeIn(question, segment));
      const rest = rangesBetween(
        segments.filter(segment => isBefore(question, segment) || wholeIn(question, segment).length > 0),
        { after: floor, upTo: context.asOf },
      );
      return sumOf([...whole, await scan(context, question, rest)]);
    },
  };
}

async function scan(
  context: AtCommit,
  question: DurationQuestion,
  ranges: readonly CommitRange[],
): Promise<DurationCounts> {
  return (await countDurations(context, question, ranges)).counts;
}

interface Changes {
  /** The last commit that retention has deleted. */
  readonly floor: bigint;
  /** Commits with spans that were replaced since. */
  readonly replaced: readonly bigint[];
}

async function changesSince({ connection, asOf }: AtCommit, kept: Kept): Promise<Changes> {
  const result = await query(
    connection,
    `SELECT floor, commit_no FROM (SELECT ${FLOOR_COMMIT} AS floor)
     LEFT JOIN (SELECT DISTINCT commit_no FROM store.spans
       WHERE replaced_at > ${kept.asOf} AND replaced_at <= ${asOf}
         AND commit_no <= ${kept.segments.at(-1)?.upTo ?? 0n}) ON true`,
  );
  const rows = [...result.rows()] as [bigint, bigint | null][];
  return {
    floor: rows[0]?.[0] ?? 0n,
    replaced: rows.flatMap(([, commitNo]) => (commitNo === null ? [] : [commitNo])),
  };
}

/** What is left of a segment after changes, with its counts if they are still right. */
function leftOf(segment: Segment, { floor, replaced }: Changes): readonly Segment[] {
  const { counted: _, ...uncounted } = segment;
  if (segment.upTo <= floor) return [];
  if (segment.after < floor) return [{ ...uncounted, after: floor }];
  const isChanged = replaced.some(commitNo => commitNo > segment.after && commitNo <= segment.upTo);
  return [isChanged ? uncounted : segment];
}

/** New segments; commits that are not enough for one are left out. */
async function segmentsBehind(
  { connection, asOf }: AtCommit,
  after: bigint,
  { segmentSpans }: Sizes,
): Promise<readonly Segment[]> {
  const result = await query(
    connection,
    `SELECT max(commit_no), max(spans_to_ns) FROM
       (SELECT commit_no, spans_to_ns, (sum(spans) OVER (ORDER BY commit_no) - spans) // ${segmentSpans} AS part
        FROM store.commits WHERE ${within({ after, upTo: asOf })})
     GROUP BY part ORDER BY part`,
  );
  const parts = ([...result.rows()] as [bigint, bigint][]).slice(0, -1);
  return parts.map(([upTo, latestNs], index) => ({
    after: parts[index - 1]?.[0] ?? after,
    upTo,
    latestNs,
    level: 0,
  }));
}

async function withCounts(
  context: AtCommit,
  grouping: DurationGrouping & { readonly most: number },
  segment: Segment,
): Promise<Segment> {
  if (segment.counted !== undefined) return segment;
  const counted = await countDurations(context, grouping, [segment]);
  return { ...segment, counted: sizeOf(counted.counts) < grouping.most ? counted : 'too many' };
}

function isCounted(counted: Segment['counted']): counted is CountedDurations {
  return typeof counted === 'object';
}

/** Nothing of it is in the window. */
function isBefore({ fromNs = '0' }: DurationQuestion, { latestNs }: Segment): boolean {
  return latestNs < BigInt(fromNs);
}

function endsIn(question: DurationQuestion, segment: Segment): boolean {
  const { toNs } = question;
  return !isBefore(question, segment) && (toNs === undefined || segment.latestNs <= BigInt(toNs));
}

/** Its counts when all of its spans are in the window. */
function wholeIn(question: DurationQuestion, segment: Segment): readonly DurationCounts[] {
  const { counted } = segment;
  if (!endsIn(question, segment) || !isCounted(counted)) return [];
  const isFrom = counted.earliestNs === undefined || counted.earliestNs >= BigInt(question.fromNs ?? 0);
  return isFrom ? [counted.counts] : [];
}

/** What of a range lies between segments. */
function rangesBetween(segments: readonly Segment[], { after, upTo }: CommitRange): readonly CommitRange[] {
  const ends = [...segments, { after: upTo, upTo }];
  return ends
    .map((segment, index) => ({ after: ends[index - 1]?.upTo ?? after, upTo: segment.after }))
    .filter(range => range.after < range.upTo);
}

/** Those that end in a window but for the first one, which may well begin before it. */
function inMidst(question: DurationQuestion, segments: readonly Segment[]): (segment: Segment) => boolean {
  const first = segments.find(segment => endsIn(question, segment));
  const isFirst = ({ after }: Segment) => question.fromNs !== undefined && after === first?.after;
  return segment => endsIn(question, segment) && !isFirst(segment);
}

interface Joining extends Sizes {
  /** Whether one without counts will have them next. */
  isWanted(segment: Segment): boolean;
}

/** As many neighbours as are joined at a time become one. */
function joinedSegments(segments: readonly Segment[], joining: Joining): readonly Segment[] {
  const all = [...segments];
  for (let level = 0; level < MOST_LEVEL; level++) {
    for (let start = 0; start + joining.joined <= all.length; start++) {
      const joined = joinedOf(all.slice(start, start + joining.joined), level, joining);
      if (joined !== undefined) all.splice(start, joining.joined, joined);
    }
  }
  return all;
}

function joinedOf(segments: readonly Segment[], level: number, joining: Joining): Segment | undefined {
  const [first] = segments;
  if (first === undefined || segments.some(segment => segment.level !== level)) return undefined;
  const joined: Segment = {
    after: first.after,
    upTo: segments.at(-1)?.upTo ?? first.upTo,
    latestNs: segments.map(({ latestNs }) => latestNs).reduce(greater),
    level: level + 1,
  };
  if (segments.every(segment => segment.counted === undefined && joining.isWanted(segment))) return joined;
  const counted = segments.flatMap(segment => (isCounted(segment.counted) ? [segment.counted] : []));
  if (counted.length < segments.length) return undefined;
  const counts = sumOf(counted.map(each => each.counts));
  if (sizeOf(counts) > joining.mostBuckets) return { ...joined, counted: 'too many' };
  const earliest = counted.flatMap(({ earliestNs }) => earliestNs ?? []);
  const earliestNs = earliest.length === 0 ? undefined : earliest.reduce(lesser);
  return { ...joined, counted: { counts, earliestNs } };
}
