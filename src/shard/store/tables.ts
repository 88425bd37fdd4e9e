import { WordSet } from '../word-set.ts';

/*
 * What a shard stores, in the columns of `migrations.ts`. Times and durations are integer nanoseconds. Ids are the
 * numbers that their bytes are, 0 for none (an all-zero id is not valid). `attributes`, `events`, `llm`, `otlp`,
 * `resource` and `scope` are JSON texts; where `null` is allowed it stands for the empty one.
 *
 * `attributes` is one flat object with every attribute whose value is a scalar, of a repeated key the last: strings
 * as JSON strings, booleans and 64-bit integers bare, doubles bare where their text has a point, so that integers and
 * doubles stay apart (contract §2.2 has the texts). What this cannot tell is in `otlp`.
 *
 * Every row also has `commit_no`, the commit that stored it; within a commit rows are in storage order (`rowid`).
 */

/** What the records of one scope of one request share; stored once and referred to by number. */
export interface Source {
  /** `{resource, schemaUrl}` in OTLP/JSON. */
  readonly resource: string;
  /** `{scope, schemaUrl}` in OTLP/JSON. */
  readonly scope: string;
}

/** In storage order, as the ENUMs of `migrations.ts` have them. */
export const STATUSES = ['unset', 'ok', 'error'] as const;
export const KINDS = ['internal', 'server', 'client', 'producer', 'consumer', 'llm'] as const;
export const SEVERITIES = ['unspecified', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export const METRIC_TYPES = ['gauge', 'sum', 'histogram', 'summary', 'unknown'] as const;

export interface SpanRecord {
  readonly traceId: bigint;
  readonly slot: number;
  /** `xxh64` of the trace id's bytes, as the topology takes it; `trace_commits` finds the commits of a trace by it. */
  readonly traceKey: bigint;
  readonly spanId: bigint;
  readonly parentSpanId: bigint;
  readonly service: string;
  readonly operation: string;
  readonly startNs: bigint;
  /** end - start, cut to 64 signed bits; `otlp` then has the end. */
  readonly durationNs: bigint;
  readonly status: (typeof STATUSES)[number];
  readonly kind: (typeof KINDS)[number];
  readonly attributes: string;
  readonly events: string | null;
  readonly llm: string | null;
  readonly otlp: string | null;
  readonly source: Source;
  /** Replaces earlier spans of the same ids, in aggregates too (runner spans). */
  readonly replaces: boolean;
}

export interface LogRecord {
  readonly timeNs: bigint;
  readonly observedNs: bigint;
  readonly traceId: bigint;
  readonly spanId: bigint;
  readonly severity: (typeof SEVERITIES)[number];
  readonly severityText: string;
  /** Empty when it is kept as a blob. */
  readonly body: string;
  readonly bodySha256: string | null;
  readonly service: string;
  readonly attributes: string;
  readonly otlp: string | null;
  readonly source: Source;
  /** 64-bit hash of the record's bytes, its resource's and its scope's: orders records of equal times. */
  readonly tie: bigint;
}

export interface MetricRecord {
  readonly timeNs: bigint;
  readonly service: string;
  readonly name: string;
  readonly metricType: (typeof METRIC_TYPES)[number];
  /** `null` for a point that was exported without a value. */
  readonly value: number | null;
  readonly unit: string;
  readonly attributes: string;
  readonly otlp: string | null;
  readonly source: Source;
  readonly tie: bigint;
}

/** A text kept by its hash: prompts, completions, large log bodies, uploads. It lives as long as what names it. */
export interface Blob {
  /** 64 lower-case hex digits. */
  readonly sha256: string;
  readonly content: Uint8Array;
  /** Kept until then although no row names it; for uploads. */
  readonly pinnedUntilMs: number | null;
}

export interface CommentRecord {
  readonly id: string;
  readonly traceId: string;
  readonly spanId: string | null;
  readonly author: string;
  readonly body: string;
  readonly createdNs: bigint;
}

/** A lower-cased word of a trace's prompts and completions. */
export interface SpanWord {
  readonly word: string;
  readonly traceId: bigint;
}

/** Records in their order, as an array or packed. */
export interface Rows<R> extends Iterable<R> {
  readonly length: number;
}

/** What one slice of a batch, or one write, stores. */
export interface Records {
  readonly spans: Rows<SpanRecord>;
  readonly logs: Rows<LogRecord>;
  readonly metrics: Rows<MetricRecord>;
  readonly blobs: Blob[];
  readonly comments: CommentRecord[];
  /** Words of prompts and completions, each once per trace. */
  readonly spanWords: SpanWord[];
  /** Distinct words of log bodies: they say which commits to search for a text. */
  readonly logWords: WordSet;
}

export function emptyRecords(): Records {
  return {
    spans: [],
    logs: [],
    metrics: [],
    blobs: [],
    comments: [],
    spanWords: [],
    logWords: new WordSet(),
  };
}

/** How many rows the records become, their words left out. */
export function rowCount({ spans, logs, metrics, blobs, comments }: Records): number {
  return spans.length + logs.length + metrics.length + blobs.length + comments.length;
}
