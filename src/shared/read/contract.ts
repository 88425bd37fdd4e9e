import { z } from 'zod';

/**
 * The internal read API: what the query proxy asks a shard, and what a shard answers.
 *
 * Request: `POST /internal/v1/reads/<name>` with a JSON body of the schema below. Windows are absolute nanoseconds,
 * pinned once by the proxy; a shard never looks at its own clock to answer a read. Nanoseconds are decimal strings.
 *
 * Answer: 200 with NDJSON. Every row is one line `{"k":[…],"v":{…}}`: `k` is the sort key, an array of strings, and
 * comes first so that the proxy can merge without parsing `v`; `v` is the row, in the read API's own field names
 * for row reads and a mergeable partial state for aggregates (counts and sums, never averages). Rows arrive in the
 * read's order. The last line is the trailer `{"end":{"rows":n,"asOf":"c","truncated":false}}`. A body without its
 * trailer is a failed shard, never a short answer. `asOf` is the shard's commit number the rows were read at.
 *
 * Errors: 400 (request does not fit the schema), 404 (unknown read or version), 503 (not ready), 500; always
 * `{"error": "…"}`.
 *
 * Sort keys, all parts compared as UTF-8 bytes; numbers are zero-padded to 20 digits so that text order is number
 * order (see `keys.ts`):
 *
 * | read     | key                                            | order      |
 * |----------|------------------------------------------------|------------|
 * | spans    | start, trace_id, span_id                       | descending |
 * | trace    | start, span_id                                 | ascending  |
 * | logs     | timestamp, observed, trace_id, span_id, tie    | descending |
 * | metrics  | timestamp, name, service, tie                  | descending |
 * | services | service                                        | ascending  |
 *
 * `tie` is the 64-bit content hash of the row (16 hex digits): equal keys mean equal rows, so no order depends on
 * arrival, batch or shard. An absent trace_id or span_id is the empty string.
 */
export const READ_API_VERSION = 'v1';

export function readPath(name: ShardReadName): string {
  return `/internal/${READ_API_VERSION}/reads/${name}`;
}

const nanos = z.string().regex(/^\d{1,20}$/, 'expected nanoseconds as a decimal string');
const signedNanos = z.string().regex(/^-?\d{1,39}$/, 'expected nanoseconds as a decimal string');
const traceId = z.string().min(1).max(128);
const limit = z.int().min(0).max(4_294_967_295);

export const SEVERITIES = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'unspecified'] as const;
export const SPAN_STATUSES = ['ok', 'error', 'unset'] as const;
export const METRIC_TYPES = ['gauge', 'sum', 'histogram', 'summary', 'unknown'] as const;

export type Severity = (typeof SEVERITIES)[number];
export type SpanStatus = (typeof SPAN_STATUSES)[number];
export type MetricType = (typeof METRIC_TYPES)[number];

export const SHARD_READS = {
  /** Spans, newest first; each span once, in its last commit. */
  spans: z.strictObject({
    service: z.string().optional(),
    /** Case-sensitive plain substring of the span name; `%` and `_` mean themselves. */
    operation: z.string().optional(),
    minDurationNs: signedNanos.optional(),
    maxDurationNs: signedNanos.optional(),
    status: z.enum(SPAN_STATUSES).optional(),
    /** Inclusive lower bound of the start time. There is no upper bound. */
    fromNs: nanos.optional(),
    /** Exact matches on the stringified attribute, all of which must hold. */
    attributes: z.array(z.tuple([z.string(), z.string()])).default([]),
    /** Lower-cased words; spans of traces whose prompts and completions hold all of them. */
    textWords: z.array(z.string()).optional(),
    limit,
  }),
  /** Every span of one trace, oldest first, each once. */
  trace: z.strictObject({ traceId }),
  /** Newest first. */
  logs: z.strictObject({
    service: z.string().optional(),
    severity: z.enum(SEVERITIES).optional(),
    /** Case-sensitive plain substring of the body text. */
    bodyContains: z.string().optional(),
    traceId: traceId.optional(),
    fromNs: nanos.optional(),
    limit,
  }),
  /** Newest first. */
  metrics: z.strictObject({
    service: z.string().optional(),
    name: z.string().optional(),
    metricType: z.enum(METRIC_TYPES).optional(),
    fromNs: nanos.optional(),
    limit,
  }),
  /** One {@link ServiceState} per service, over everything stored. */
  services: z.strictObject({}),
} as const;

export type ShardReadName = keyof typeof SHARD_READS;
export type ShardReadRequest<N extends ShardReadName> = z.input<(typeof SHARD_READS)[N]>;
export type ParsedShardRead<N extends ShardReadName> = z.output<(typeof SHARD_READS)[N]>;

/** Partial state of one service. Sums of durations are integers: nanoseconds as a decimal string. */
export interface ServiceState {
  readonly service: string;
  readonly span_count: number;
  readonly trace_count: number;
  readonly error_count: number;
  readonly duration_sum_ns: string;
}

export interface Trailer {
  readonly rows: number;
  readonly asOf: string;
  readonly truncated: boolean;
}
