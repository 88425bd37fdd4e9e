import { z } from 'zod';

/**
 * The internal API of a shard: what the query proxy asks it, and what it answers. Reads are below; `writes.ts` has
 * comments, scores, runner spans and blobs, `live.ts` the live feed, `sql.ts` SQL.
 *
 * Request: `POST /internal/v1/reads/<name>` with a JSON body of the schema below. Windows are absolute nanoseconds,
 * pinned once by the proxy; a shard never looks at its own clock to answer a read. Nanoseconds are decimal strings.
 * A slot range is a pair of slots, both included.
 *
 * Answer: 200 with NDJSON. Every row is one line `{"k":[…],"v":{…}}`: `k` is the sort key, an array of strings, and
 * comes first so that the proxy can merge without parsing `v`; `v` is the row, in the read API's own field names
 * for row reads and a mergeable partial state for aggregates (counts and sums, never averages). Rows arrive in the
 * read's order. The last line is the trailer `{"end":{"rows":n,"asOf":"c","truncated":false}}`. A body without its
 * trailer is a failed shard, never a short answer.
 *
 * Snapshots: `asOf` in the trailer is the shard's commit number the rows were read at; the header
 * {@link AS_OF_HEADER} has it before the first row, for whoever does not read to the end. A request that carries it
 * again sees exactly those rows, or is answered 410 with {@link SnapshotGone} when that cannot be: retention has
 * deleted some of them, or the shard never came as far (its data was set back). `POST /internal/v1/snapshot` with a
 * {@link SNAPSHOT_REQUEST} answers several reads at one commit: the lines and the trailer of each, one after the
 * other. That body is whole when it has a trailer for every read.
 *
 * Bounds: `truncated` is true when a cap of the shard (rows or bytes of one read), and not the request's own `limit`,
 * ended the rows; `truncatedBy` then names the setting that raises it. States of an aggregate that was truncated are
 * still right one by one, but some are missing. With {@link MAX_BYTES_HEADER} a caller who takes less at once names a
 * bound of its own, for each read.
 *
 * Errors: 400 (request does not fit the schema), 404 (unknown read or version), 410 (snapshot gone), 503 (not ready
 * or too many reads wait), 500; always `{"error": "…"}`. A caller that goes away ends its query, or its wait.
 *
 * Sort keys, all parts compared as UTF-8 bytes. Numbers are zero-padded to 20 digits so that text order is number
 * order (see `ndjson.ts`); signed 64-bit ones have 2^63 added first:
 *
 * | read            | key                                         | order      |
 * |-----------------|---------------------------------------------|------------|
 * | spans           | start, trace_id, span_id                    | descending |
 * | trace           | start, span_id                              | ascending  |
 * | logs            | timestamp, observed, trace_id, span_id, tie | descending |
 * | metrics         | timestamp, name, service, tie               | descending; ascending with `oldestFirst` |
 * | comments        | created_at, id                              | ascending; descending with `newestFirst` |
 * | services        | service                                     | ascending  |
 * | spanTotals      | (empty)                                     | one row    |
 * | spanSlots       | (empty)                                     | one row    |
 * | traceIds        | service (empty when not asked for), trace_id | ascending |
 * | traceTerms      | trace_id                                    | ascending  |
 * | durationBuckets | service (empty when not asked for), range, bucket | ascending |
 * | durationValues  | range, value                                | ascending  |
 * | groupCounts     | the group's names                           | ascending  |
 * | holdings        | (empty)                                     | one row    |
 *
 * `tie` is a 64-bit hash of the record's content (16 hex digits): no order depends on arrival, batch or shard. An
 * absent trace_id or span_id is the empty string.
 */
export const READ_API_VERSION = 'v1';

export function readPath(name: ShardReadName): string {
  return `/internal/${READ_API_VERSION}/reads/${name}`;
}

/** Header of an answer: the commit that its rows are read at. */
export const AS_OF_HEADER = 'otelfan-as-of';

/** Header of a request: most bytes that the rows of the answer may have, in decimal digits. */
export const MAX_BYTES_HEADER = 'otelfan-max-bytes';

/**
 * 200 while the shard can be read, else 503 with the reason as text. `/readyz` is of writes as well, which a shard refuses
 * earlier: for want of room on its disk, say.
 */
export const READABLE_PATH = '/readyz/reads';

export const SNAPSHOT_PATH = `/internal/${READ_API_VERSION}/snapshot`;

const nanos = z.string().regex(/^\d{1,20}$/, 'expected nanoseconds as a decimal string');
const signedNanos = z.string().regex(/^-?\d{1,39}$/, 'expected nanoseconds as a decimal string');
const traceId = z.string().min(1).max(128);
const limit = z.int().min(0).max(4_294_967_295);
const attributes = z.array(z.tuple([z.string(), z.string()])).default([]);
/**
 * Words, all of which must be there, whole and in whatever case; between double quotes they must follow one another
 * in one text. A text without a word matches nothing. `shared/text/words.ts` says what a word is.
 */
const searchText = z.string().max(16_384);
const slot = z.int().min(0).max(16_383);
const nanosKey = z.string().regex(/^\d{20}$/, 'expected 20 digits');
const hexKey = (digits: 16 | 32) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`), `expected ${digits} hex digits`);

export const SEVERITIES = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'unspecified'] as const;
export const SPAN_STATUSES = ['ok', 'error', 'unset'] as const;
export const METRIC_TYPES = ['gauge', 'sum', 'histogram', 'summary', 'unknown'] as const;

export type Severity = (typeof SEVERITIES)[number];
export type SpanStatus = (typeof SPAN_STATUSES)[number];
export type MetricType = (typeof METRIC_TYPES)[number];

/** The commit to read at; absent for the last one. */
const snapshot = {
  asOf: z
    .string()
    .regex(/^\d{1,20}$/, 'expected a commit number')
    .optional(),
};
/** Inclusive bounds of start time or timestamp. Without `toNs` there is no upper bound: rows from the future count. */
const window = { ...snapshot, fromNs: nanos.optional(), toNs: nanos.optional() };
/**
 * How a page goes on: `startAt` is the sort key that the answer starts at. Rows with that very key are included, for
 * there may be several, on several shards.
 */
const page = <Key extends [z.ZodType<string>, ...z.ZodType<string>[]]>(...key: Key) => ({
  startAt: z.tuple(key).optional(),
  limit,
});
/** As many as there can be that do not touch. */
const slotRanges = z.array(z.tuple([slot, slot])).max(8192);
/**
 * Leaves `events`, `otlp`, `resource` and `scope` out of the rows, for what is computed from many of them: those can
 * be most of a row, prompts above all.
 */
const bare = z.boolean().optional();
/** Most traces that `spans` can be told of: as many as its request has room for. */
export const MOST_TRACES_WITH_TEXT = 20_000;

/** The columns that records can be counted by. */
export const GROUP_COLUMNS = {
  spans: ['service', 'operation', 'status', 'kind'],
  logs: ['service', 'severity'],
  metrics: ['service', 'name', 'metric_type'],
} as const;

const groupCounts = <Of extends keyof typeof GROUP_COLUMNS>(of: Of) => ({
  ...window,
  of: z.literal(of),
  by: z.array(z.enum(GROUP_COLUMNS[of])).min(1),
  service: z.string().optional(),
  /** Only groups of at least so many: the floor of a top-k round. */
  atLeast: z.int().min(1).optional(),
  /** Only these groups, named in the order of `by`: the last round of a top-k. */
  groups: z.array(z.array(z.string())).optional(),
  /** The largest groups only, ties by name; still in the order of their names. */
  top: z.int().min(1).optional(),
});

/** A closed range of durations; of one service when it names one. */
const durationRange = z.strictObject({
  service: z.string().optional(),
  minNs: signedNanos,
  maxNs: signedNanos,
});
const durationRanges = z.array(durationRange).min(1).max(1000);

export const SHARD_READS = {
  /** Spans, newest first; each span once, in its last commit. */
  spans: z.strictObject({
    ...window,
    service: z.string().optional(),
    /** Case-sensitive plain substring of the span name; `%` and `_` mean themselves. */
    operation: z.string().optional(),
    minDurationNs: signedNanos.optional(),
    maxDurationNs: signedNanos.optional(),
    status: z.enum(SPAN_STATUSES).optional(),
    /** Exact matches on the stringified attribute, all of which must hold. */
    attributes,
    /** Keys that must be there, whatever their value. */
    attributeKeys: z.array(z.string()).default([]),
    /** What the prompts and completions of the span's trace must hold together. */
    text: searchText.optional(),
    /** Traces that hold the text, whatever the shard has of them: the rest is on other shards. */
    tracesWithText: z.array(hexKey(32)).max(MOST_TRACES_WITH_TEXT).default([]),
    bare,
    ...page(nanosKey, hexKey(32), hexKey(16)),
  }),
  /** Every span of one trace, oldest first, each once; only one of them when it is named. */
  trace: z.strictObject({ ...snapshot, traceId, spanId: hexKey(16).optional() }),
  /** Newest first. */
  logs: z.strictObject({
    ...window,
    service: z.string().optional(),
    severity: z.enum(SEVERITIES).optional(),
    /** Case-sensitive plain substring of the body text, also of one that is kept as a blob. */
    bodyContains: z.string().optional(),
    /** What the body, also one that is kept as a blob, must hold. */
    text: searchText.optional(),
    traceId: traceId.optional(),
    ...page(nanosKey, nanosKey, hexKey(32).or(z.literal('')), hexKey(16).or(z.literal('')), hexKey(16)),
  }),
  metrics: z.strictObject({
    ...window,
    service: z.string().optional(),
    /** Any of these. */
    services: z.array(z.string()).optional(),
    name: z.string().optional(),
    metricType: z.enum(METRIC_TYPES).optional(),
    attributes,
    oldestFirst: z.boolean().default(false),
    bare,
    ...page(nanosKey, z.string(), z.string(), hexKey(16)),
  }),
  /** Comments on one trace, on some, or on all. */
  comments: z.strictObject({
    ...snapshot,
    traceIds: z.array(traceId).optional(),
    newestFirst: z.boolean().default(false),
    ...page(nanosKey, z.string()),
  }),
  /** One {@link ServiceState} per service; without a window over everything stored. */
  services: z.strictObject({ ...window, service: z.string().optional() }),
  /** One {@link SpanTotals}. */
  spanTotals: z.strictObject({ ...window, service: z.string().optional() }),
  /** One {@link SpanSlots}: of a trace in any other slot the shard has no span. */
  spanSlots: z.strictObject({ ...snapshot }),
  /** The distinct traces of some slots, of each service when asked so. The key says it all: the rows are `{}`. */
  traceIds: z.strictObject({
    ...window,
    service: z.string().optional(),
    slots: slotRanges,
    byService: z.boolean().default(false),
    ...page(z.string(), hexKey(32)),
  }),
  /**
   * What the traces of some slots have of a text, one {@link TraceTerms} for each that ever had a word of it: a trace
   * that lies on several shards holds what they have together.
   */
  traceTerms: z.strictObject({ ...snapshot, text: searchText, slots: slotRanges }),
  /**
   * Counts of durations by size ({@link DurationBucket}): bucket `floor(log2|v| · 2^scale)` with the sign of the value,
   * zero in a bucket of its own. Every duration is in exactly one bucket and no two buckets overlap; where between two
   * powers of two one ends is up to the shard's floating point. `ranges` refines: each range, instead, is cut into
   * `parts` of equal width. The key numbers the buckets, or parts, in the order of their values.
   */
  durationBuckets: z.strictObject({
    ...window,
    service: z.string().optional(),
    services: z.array(z.string()).optional(),
    byService: z.boolean().default(false),
    scale: z.int().min(0).max(8).default(3),
    ranges: durationRanges.optional(),
    parts: z.int().min(2).max(4096).default(256),
  }),
  /** Every distinct duration inside each range, with how often it occurs ({@link DurationValue}). */
  durationValues: z.strictObject({
    ...window,
    service: z.string().optional(),
    ranges: durationRanges,
  }),
  /** How many records each group has ({@link GroupCount}). */
  groupCounts: z
    .discriminatedUnion('of', [
      z.strictObject({ ...groupCounts('spans'), status: z.enum(SPAN_STATUSES).optional() }),
      z.strictObject(groupCounts('logs')),
      z.strictObject(groupCounts('metrics')),
    ])
    .refine(({ by, groups }) => groups?.every(group => group.length === by.length) ?? true, {
      path: ['groups'],
      error: 'expected as many names in each group as there are columns in `by`',
    }),
  /** One {@link Holdings}: what the shard still has, so that one that left the topology is asked while it matters. */
  holdings: z.strictObject({ ...snapshot }),
} as const;

export type ShardReadName = keyof typeof SHARD_READS;
export type ShardReadRequest<N extends ShardReadName> = z.input<(typeof SHARD_READS)[N]>;
export type ParsedShardRead<N extends ShardReadName> = z.output<(typeof SHARD_READS)[N]>;

/** Several reads at one commit. Their requests leave `asOf` out: the one of the snapshot is theirs. */
export const SNAPSHOT_REQUEST = z.strictObject({
  ...snapshot,
  reads: z
    .array(z.strictObject({ name: z.string(), request: z.looseObject({ asOf: z.never().optional() }) }))
    .min(1)
    .max(32),
});

/** Body of a 410. */
export interface SnapshotGone {
  readonly error: string;
  readonly kind: 'snapshot-gone';
}

/** Partial state of some spans. Sums of durations are integers: nanoseconds as a decimal string. */
interface SpanState {
  readonly span_count: number;
  /** Distinct traces. Some of them other shards may have as well: see `spanSlots`. */
  readonly trace_count: number;
  readonly error_count: number;
  readonly duration_sum_ns: string;
}

export interface ServiceState extends SpanState {
  readonly service: string;
}

export interface SpanTotals extends SpanState {
  /** Both absent when there are no spans. */
  readonly duration_min_ns?: string;
  readonly duration_max_ns?: string;
}

export interface SpanSlots {
  /** Ranges in order, both ends included. Some may be of traces that retention has deleted. */
  readonly slots: readonly (readonly [number, number])[];
}

export interface TraceTerms {
  /** Places of the terms that the prompts and completions hold. A term is a distinct word of the text, or a phrase. */
  readonly has: readonly number[];
  /** How many terms the text has. */
  readonly of: number;
}

export interface DurationBucket {
  /** Absent when not asked for by service. */
  readonly service?: string;
  /** Index of the request's range; absent without ranges. */
  readonly range?: number;
  readonly count: number;
  readonly min_ns: string;
  readonly max_ns: string;
}

export interface DurationValue {
  /** Index of the request's range. */
  readonly range: number;
  readonly value_ns: string;
  readonly count: number;
}

export interface GroupCount {
  /** In the order of the request's `by`. */
  readonly group: readonly string[];
  readonly count: number;
}

export interface Holdings {
  /** Rows as they are stored: a span that was sent twice counts twice, one that was replaced as well. */
  readonly spans: number;
  readonly logs: number;
  readonly metrics: number;
  readonly comments: number;
  /** Of the present, whatever the snapshot. */
  readonly blobs: number;
  /** Commits up to this one were deleted by retention; "0" for none. */
  readonly floor: string;
}

export interface Trailer {
  readonly rows: number;
  readonly asOf: string;
  readonly truncated: boolean;
  /** The setting whose bound ended the rows; only with `truncated`. */
  readonly truncatedBy?: string;
}
