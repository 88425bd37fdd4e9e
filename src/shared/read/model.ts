import type { MetricType, Severity, SpanStatus } from './contract.ts';

/**
 * Rows of the read API (contract §1.1, §1.3). The members that existing clients read come first; the optional
 * `otlp`, `resource` and `scope` members carry, in OTLP/JSON, whatever of the record those do not hold losslessly.
 */
interface OtlpRest {
  /** The record in OTLP/JSON without the members that the row already holds losslessly. */
  readonly otlp: Record<string, unknown>;
  /** `{resource, schemaUrl}` in OTLP/JSON; members absent when the request had none. */
  readonly resource: Record<string, unknown>;
  /** `{scope, schemaUrl}` in OTLP/JSON; members absent when the request had none. */
  readonly scope: Record<string, unknown>;
}

export interface SpanRow extends OtlpRest {
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id: string | null;
  readonly service: string;
  readonly operation: string;
  /** RFC 3339 with `Z`, as every model time. */
  readonly start_time: string;
  readonly end_time: string;
  readonly duration_ms: number;
  readonly status: SpanStatus;
  readonly attributes: Readonly<Record<string, string>>;
  readonly events: readonly SpanEventRow[];
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer' | 'llm';
  readonly llm?: Readonly<Record<string, string | number>>;
}

export interface SpanEventRow {
  readonly name: string;
  readonly timestamp: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface LogRow extends OtlpRest {
  readonly timestamp: string;
  readonly observed_timestamp: string;
  readonly trace_id: string | null;
  readonly span_id: string | null;
  readonly severity: Severity;
  readonly severity_text: string;
  /** Empty when the body is kept as a blob, which `body_sha256` then names. */
  readonly body: string;
  readonly body_sha256?: string;
  readonly service: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface MetricRow extends OtlpRest {
  readonly timestamp: string;
  readonly service: string;
  readonly name: string;
  readonly metric_type: MetricType;
  /** `null` for a non-finite value, which `value_text` then spells, and for a point that has no value. */
  readonly value: number | null;
  readonly value_text?: 'NaN' | 'Infinity' | '-Infinity';
  readonly unit: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Contract §1.2. */
export interface CommentRow {
  readonly id: string;
  readonly trace_id: string;
  readonly span_id: string | null;
  readonly author: string;
  readonly body: string;
  /** RFC 3339 with `+00:00`. */
  readonly created_at: string;
}
