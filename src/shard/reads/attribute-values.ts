import { setImmediate as nextTurn } from 'node:timers/promises';
import { attributeText } from './attributes.ts';
import { greater } from './bigints.ts';
import { query } from './query.ts';
import { type AtCommit, type CommitRange, singleCommit, within } from './service-counts.ts';
import { createParameters } from './where.ts';

/** Spans with an attribute, and when they began. */
interface AttributeQuestion {
  readonly attributes: readonly (readonly [key: string, value: string])[];
  /** Nothing earlier is wanted. */
  readonly fromNs?: string | undefined;
}

/**
 * Knows which values the spans of a commit have of an attribute that is asked for again and again, so that a rare one
 * is looked for in few commits. Rows never change, so what is known stays right as long as they are there; what is not
 * known is gone through.
 */
export interface AttributeValues {
  /**
   * The commits that can have spans with all of the attributes, in the window; `undefined` when they are too many to be
   * looked at one by one, or not known.
   */
  commitsWith(context: AtCommit, question: AttributeQuestion): Promise<readonly CommitRange[] | undefined>;
}

interface Sizes {
  /** Commits that are looked at one by one. */
  readonly mostCommits: number;
  /** Spans that one question learns the values of an attribute of, at some 1.5 µs each. */
  readonly mostSpans: number;
  /** New spans that are gone through each time rather than learned. */
  readonly fewSpans: number;
  /** Of which something is kept; the others are asked for as if for the first time. */
  readonly mostKeys: number;
  /** Of a key, over all commits; each takes 4 bytes, and a commit as much as {@link COMMIT_VALUES} of them. */
  readonly mostValues: number;
}

const COMMIT_VALUES = 50;
/** Of what is learned. */
const ROWS_A_TURN = 5000;

const SIZES: Sizes = {
  mostCommits: 30,
  mostSpans: 250_000,
  fewSpans: 10_000,
  mostKeys: 8,
  mostValues: 2_000_000,
};

/** The values of a commit as hashes, ascending. */
interface CommitValues {
  readonly commitNo: bigint;
  readonly hashes: Uint32Array;
}

/** What is known of a key: the values of these commits, and that the others of the range have none. */
interface Known extends CommitRange {
  /** Oldest first. */
  readonly commits: readonly CommitValues[];
  /** Older ones were forgotten, as they would be again. */
  readonly isFull: boolean;
}

export function createAttributeValues(sizes = SIZES): AttributeValues {
  /** By key, the one that was asked for last at the end. */
  const knownOf = new Map<string, Known | undefined>();

  function remember(key: string, known: Known | undefined): void {
    knownOf.delete(key);
    knownOf.set(key, known);
    const [oldest] = knownOf.keys();
    if (oldest !== undefined && knownOf.size > sizes.mostKeys) knownOf.delete(oldest);
  }

  async function commitsOf(
    context: AtCommit,
    [key, value]: readonly [string, string],
    fromNs: string | undefined,
  ): Promise<readonly CommitRange[] | undefined> {
    const isFirst = !knownOf.has(key);
    const before = knownOf.get(key) ?? nothingAt(context.asOf);
    remember(key, isFirst ? undefined : before);
    // To learn the values takes longer than to go through them once, and a question may never come again.
    if (isFirst) return undefined;
    const look = await lookAt(context, { known: before, value, fromNs, sizes });
    // Its transaction may not see all that is known, but then it need not look at the rest.
    const known = context.asOf < before.upTo ? before : await learned(context, { ...look, key, sizes });
    if (known !== before && knownOf.get(key) === before) knownOf.set(key, known);
    const { hash, window } = look;
    if (known.after > window.after) return undefined;
    const having = known.commits.filter(
      ({ commitNo, hashes }) => commitNo > window.after && commitNo <= context.asOf && has(hashes, hash),
    );
    if (having.length > sizes.mostCommits) return undefined;
    const single = having.map(({ commitNo }) => singleCommit(commitNo));
    return known.upTo < context.asOf ? [...single, { after: known.upTo, upTo: context.asOf }] : single;
  }

  return {
    async commitsWith(context, { attributes, fromNs }) {
      let fewest: readonly CommitRange[] | undefined;
      for (const attribute of attributes) {
        const commits = await commitsOf(context, attribute, fromNs);
        if (commits !== undefined && commits.length < (fewest?.length ?? Infinity)) fewest = commits;
      }
      return fewest;
    },
  };
}

function nothingAt(commitNo: bigint): Known {
  return { after: commitNo, upTo: commitNo, commits: [], isFull: false };
}

interface Look {
  readonly known: Known;
  readonly value: string;
  readonly fromNs: string | undefined;
  readonly sizes: Sizes;
}

interface Seen {
  readonly hash: number;
  /** The commits that can have spans of the window. */
  readonly window: CommitRange;
  /** What to go on from: nothing, when too much has come since to be learned at once. */
  readonly known: Known;
  /** What is to be learned now, and what is known then. */
  readonly missing: readonly CommitRange[];
  readonly grown: CommitRange;
}

/** In one query, which waits for its turn beside ingest once. */
async function lookAt({ connection, asOf }: AtCommit, { known, value, fromNs, sizes }: Look): Promise<Seen> {
  const { mostSpans } = sizes;
  const parameters = createParameters();
  const result = await query(
    connection,
    `WITH seen AS (SELECT commit_no, spans, spans_to_ns FROM store.commits WHERE commit_no <= ${asOf}),
       newer AS (SELECT coalesce(sum(spans), 0)::BIGINT AS span_count FROM seen WHERE commit_no > ${known.upTo}),
       in_window AS (SELECT coalesce(min(commit_no) - 1, ${asOf}) AS after FROM seen WHERE spans_to_ns >= ${BigInt(fromNs ?? 0)})
     SELECT ${hashOf(parameters.text(value))}, (SELECT after FROM in_window),
       (SELECT coalesce(min(commit_no) - 1, ${asOf}) FROM seen), (SELECT span_count FROM newer),
       (SELECT min(commit_no) - 1 FROM
         (SELECT commit_no, sum(spans) OVER (ORDER BY commit_no DESC) AS older_count FROM seen
          WHERE commit_no > (SELECT after FROM in_window)
            AND commit_no <= (SELECT CASE WHEN span_count > ${mostSpans} THEN ${asOf} ELSE ${known.after} END FROM newer))
        WHERE older_count <=
          (SELECT CASE WHEN span_count > ${mostSpans} THEN ${mostSpans} ELSE ${mostSpans} - span_count END FROM newer))`,
    parameters,
  );
  const [row] = [...result.rows()] as [LookRow];
  const [hash, windowAfter, floor, newSpans, olderAfter] = row;
  const start = newSpans > mostSpans ? nothingAt(asOf) : known;
  const upTo = newSpans > sizes.fewSpans ? asOf : start.upTo;
  const after = start.isFull ? start.after : (olderAfter ?? start.after);
  return {
    hash,
    window: { after: windowAfter, upTo: asOf },
    known: start,
    missing: [
      { after: start.upTo, upTo },
      { after, upTo: start.after },
    ].filter(range => range.after < range.upTo),
    // Of what retention has deleted nothing can be learned, while others may still see it.
    grown: { after: greater(after, floor), upTo },
  };
}

type LookRow = [
  hash: number,
  windowAfter: bigint,
  floor: bigint,
  newSpans: bigint,
  olderAfter: bigint | null,
];

interface Learning extends Pick<Seen, 'known' | 'missing' | 'grown'> {
  readonly key: string;
  readonly sizes: Sizes;
}

async function learned(context: AtCommit, { key, known, missing, grown, sizes }: Learning): Promise<Known> {
  if (missing.length === 0) return known;
  const fresh = await valuesIn(context, key, missing);
  const commits = [...known.commits, ...fresh].sort((one, other) => (one.commitNo < other.commitNo ? -1 : 1));
  const left = commits.filter(({ commitNo }) => commitNo > grown.after);
  return bounded({ ...known, ...grown, commits: left }, sizes);
}

/** Without the oldest commits when there are too many values. */
function bounded(known: Known, { mostValues }: Sizes): Known {
  const { commits } = known;
  let left = mostValues;
  let first = commits.length;
  for (; first > 0; first--) {
    left -= (commits[first - 1]?.hashes.length ?? 0) + COMMIT_VALUES;
    if (left < 0) break;
  }
  const last = commits[first - 1];
  return last === undefined
    ? known
    : { ...known, after: last.commitNo, commits: commits.slice(first), isFull: true };
}

async function valuesIn(
  { connection }: AtCommit,
  key: string,
  ranges: readonly CommitRange[],
): Promise<readonly CommitValues[]> {
  const parameters = createParameters();
  const text = attributeText(key, parameters);
  // One after the other DuckDB skips what other commits stored; for ranges joined by OR it goes through everything.
  const each = ranges.map(
    range => `SELECT commit_no, ${text} AS value FROM store.spans WHERE ${within(range)}`,
  );
  const result = await query(
    connection,
    `SELECT DISTINCT commit_no, ${hashOf('value')} FROM (${each.join(' UNION ALL ')}) WHERE value IS NOT NULL`,
    parameters,
  );
  const byCommit = new Map<bigint, number[]>();
  let taken = 0;
  for (const [commitNo, hash] of result.rows() as Iterable<[bigint, number]>) {
    const hashes = byCommit.get(commitNo);
    if (hashes === undefined) byCommit.set(commitNo, [hash]);
    else hashes.push(hash);
    // Others have their turn of the main thread in between.
    if (++taken % ROWS_A_TURN === 0) await nextTurn();
  }
  return Array.from(byCommit, ([commitNo, hashes]) => ({
    commitNo,
    hashes: Uint32Array.from(hashes).sort(),
  }));
}

function hashOf(text: string): string {
  return `(hash(${text}) & ${2 ** 32 - 1})::UINTEGER`;
}

function has(hashes: Uint32Array, hash: number): boolean {
  let [from, to] = [0, hashes.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((hashes[middle] as number) < hash) from = middle + 1;
    else to = middle;
  }
  return hashes[from] === hash;
}
