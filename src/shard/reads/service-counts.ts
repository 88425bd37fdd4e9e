import type { DuckDBConnection } from '@duckdb/node-api';
import { greater, lesser } from './bigints.ts';
import { countedSpans } from './counted.ts';
import { query } from './query.ts';
import { createParameters } from './where.ts';

/** A transaction, and the commit that is read at. */
export interface AtCommit {
  readonly connection: DuckDBConnection;
  readonly asOf: bigint;
}

/** Commits after one and up to another. */
export interface CommitRange {
  readonly after: bigint;
  readonly upTo: bigint;
}

export function singleCommit(commitNo: bigint): CommitRange {
  return { after: commitNo - 1n, upTo: commitNo };
}

/** Of some spans of a service. */
export interface ServiceCounts {
  readonly spans: number;
  readonly errors: number;
  /** The sum of all durations. */
  readonly durationNs: bigint;
  /** The shortest and the longest duration; `undefined` without spans. */
  readonly durationRangeNs: DurationRange | undefined;
  readonly traces: number;
}

type DurationRange = readonly [shortest: bigint, longest: bigint];

/** Of what DuckDB says, which is NULL without spans. */
export function durationRange(
  shortestNs: bigint | null,
  longestNs: bigint | null,
): DurationRange | undefined {
  return shortestNs === null || longestNs === null ? undefined : [shortestNs, longestNs];
}

/** By service. Under `null` stands what all of them have together, whose traces are not the sum of theirs. */
export type CountsByService = ReadonlyMap<string | null, ServiceCounts>;

export const NO_COUNTS: ServiceCounts = {
  spans: 0,
  errors: 0,
  durationNs: 0n,
  durationRangeNs: undefined,
  traces: 0,
};

export function addCounts(a: ServiceCounts, b: ServiceCounts): ServiceCounts {
  return {
    spans: a.spans + b.spans,
    errors: a.errors + b.errors,
    durationNs: a.durationNs + b.durationNs,
    durationRangeNs: spanned(a.durationRangeNs, b.durationRangeNs),
    traces: a.traces + b.traces,
  };
}

function spanned(a: DurationRange | undefined, b: DurationRange | undefined): DurationRange | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return [lesser(a[0], b[0]), greater(a[1], b[1])];
}

/** Of a trace that a service has in several segments only the last one counts it, so that they add up. */
export interface Segment extends CommitRange {
  readonly counts: CountsByService;
}

/** Segments without gaps but for commits without spans, oldest first, up to the commit that they were counted at. */
export interface Totals {
  readonly asOf: bigint;
  readonly segments: readonly Segment[];
}

/** Of the commits of one part of a range. */
export interface CountedPart {
  readonly part: number;
  readonly service: string | null;
  readonly counts: ServiceCounts;
}

/**
 * What each service and all together have in a range of commits, in parts of `commitsPerPart`. A trace is counted once,
 * in the last part that has it.
 */
export async function countServices(
  context: AtCommit,
  range: CommitRange,
  commitsPerPart: bigint,
): Promise<readonly CountedPart[]> {
  const parameters = createParameters();
  const spans = `store.spans WHERE ${within(range)} AND ${countedSpans({}, context.asOf, parameters)}`;
  const partOf = (commitNo: string) => `((${commitNo} - ${range.after} - 1) // ${commitsPerPart})::INTEGER`;
  const result = await query(
    context.connection,
    `WITH of_services AS (
       SELECT ${partOf('commit_no')} AS part, service, count(*) AS spans, count(*) FILTER (status = 'error') AS errors,
         sum(duration_ns) AS duration_ns, min(duration_ns) AS shortest_ns, max(duration_ns) AS longest_ns
       FROM ${spans} GROUP BY ALL
     ), of_traces AS MATERIALIZED (
       SELECT service, trace_id, max(commit_no) AS last_commit FROM ${spans} GROUP BY service, trace_id
     ), traces_of_services AS (
       SELECT ${partOf('last_commit')} AS part, service, count(*) AS traces FROM of_traces GROUP BY ALL
       UNION ALL
       SELECT ${partOf('last_commit')} AS part, NULL, count(*)
       FROM (SELECT max(last_commit) AS last_commit FROM of_traces GROUP BY trace_id) GROUP BY ALL
     )
     SELECT counted.part, counted.service, spans::BIGINT, errors::BIGINT, duration_ns, shortest_ns, longest_ns,
       coalesce(traces, 0)
     FROM (
       SELECT part, service, sum(spans) AS spans, sum(errors) AS errors, sum(duration_ns) AS duration_ns,
         min(shortest_ns) AS shortest_ns, max(longest_ns) AS longest_ns
       FROM of_services GROUP BY GROUPING SETS ((part, service), (part))
     ) AS counted
     LEFT JOIN traces_of_services AS traced
       ON traced.part = counted.part AND traced.service IS NOT DISTINCT FROM counted.service`,
    parameters,
  );
  return Array.from(result.rows() as Iterable<CountedRow>, row => {
    const [part, service, spanCount, errors, durationNs, shortestNs, longestNs, traces] = row;
    return {
      part,
      service,
      counts: {
        spans: Number(spanCount),
        errors: Number(errors),
        durationNs,
        durationRangeNs: [shortestNs, longestNs],
        traces: Number(traces),
      },
    };
  });
}

type CountedRow = [
  part: number,
  service: string | null,
  spans: bigint,
  errors: bigint,
  durationNs: bigint,
  shortestNs: bigint,
  longestNs: bigint,
  traces: bigint,
];

/** Traces that a service, or all together, have in commits of two ranges, by the last of the commits in the older one. */
export interface SharedTraces {
  readonly service: string | null;
  readonly lastCommit: bigint;
  readonly traces: number;
}

/**
 * Traces that services have in both ranges. As a trace is soon over there are few commits to look at, and
 * `trace_commits` says which.
 */
export async function sharedTraces(
  context: AtCommit,
  older: CommitRange,
  newer: CommitRange,
): Promise<readonly SharedTraces[]> {
  const pairs = await query(
    context.connection,
    `SELECT DISTINCT older.commit_no, newer.commit_no FROM
       (SELECT trace_key, commit_no FROM store.trace_commits WHERE ${within(older)}) older JOIN
       (SELECT trace_key, commit_no FROM store.trace_commits WHERE ${within(newer)}) newer USING (trace_key)`,
  );
  if (pairs.count === 0) return [];
  const parameters = createParameters();
  const counted = countedSpans({}, context.asOf, parameters);
  const result = await query(
    context.connection,
    `WITH older AS MATERIALIZED (
       SELECT service, trace_id, max(commit_no) AS last_commit FROM store.spans
       WHERE ${oneOf(pairs.column(0))} AND ${counted} GROUP BY service, trace_id
     ), newer AS MATERIALIZED (
       SELECT DISTINCT service, trace_id FROM store.spans WHERE ${oneOf(pairs.column(1))} AND ${counted}
     )
     SELECT service, last_commit, count(*) FROM older SEMI JOIN newer USING (service, trace_id) GROUP BY ALL
     UNION ALL
     SELECT NULL, last_commit, count(*)
     FROM (SELECT trace_id, max(last_commit) AS last_commit FROM older GROUP BY trace_id)
       SEMI JOIN newer USING (trace_id) GROUP BY ALL`,
    parameters,
  );
  const rows = result.rows() as Iterable<[string | null, bigint, bigint]>;
  return Array.from(rows, ([service, lastCommit, traces]) => ({
    service,
    lastCommit,
    traces: Number(traces),
  }));
}

/** The last commit that retention has deleted, as `store.shard_state` has it. */
export const FLOOR_COMMIT = '(SELECT coalesce(max(floor_commit), 0)::UBIGINT FROM store.floors)';

export async function floorCommit({ connection }: AtCommit): Promise<bigint> {
  const result = await query(connection, `SELECT ${FLOOR_COMMIT}`);
  const [floor = 0n] = result.column(0) as Iterable<bigint>;
  return floor;
}

/** A condition by which DuckDB skips what other commits stored. */
export function within({ after, upTo }: CommitRange): string {
  if (upTo === after + 1n) return `commit_no = ${upTo}`;
  return `commit_no > ${after} AND commit_no <= ${upTo}`;
}

/** As numbers in the SQL text, by which DuckDB skips what other commits stored. */
function oneOf(commitNos: Iterable<unknown>): string {
  return `commit_no IN (${[...new Set(commitNos)].join(', ')})`;
}
