import type { LogRow, MetricRow, SpanRow } from '../shared/read/model.ts';
import { formatNanos } from '../shared/time.ts';
import type { LogRecord, MetricRecord, SpanRecord } from './store/tables.ts';

/*
 * Stored records as the read API's rows, in JSON text. The JSON that a record already holds is passed on unparsed.
 * The text is canonical: the content hash that orders equal times is taken of it.
 */

const NANOS_PER_MS = 1e6;

export function spanRowJson(span: SpanRecord): string {
  return jsonObject<SpanRow>({
    trace_id: json(span.trace_id),
    span_id: json(span.span_id),
    parent_span_id: idOrNull(span.parent_span_id),
    service: json(span.service),
    operation: json(span.operation),
    start_time: json(formatNanos(span.start_ns)),
    end_time: json(formatNanos(span.end_ns)),
    duration_ms: json(Number(span.duration_ns) / NANOS_PER_MS),
    status: json(span.status),
    attributes: span.attributes,
    events: span.events,
    kind: json(span.kind),
    llm: span.llm === '' ? undefined : span.llm,
    otlp: span.otlp,
    resource: span.resource,
    scope: span.scope,
  });
}

export function logRowJson(log: Omit<LogRecord, 'tie'>): string {
  return jsonObject<LogRow>({
    timestamp: json(formatNanos(log.time_ns)),
    observed_timestamp: json(formatNanos(log.observed_ns)),
    trace_id: idOrNull(log.trace_id),
    span_id: idOrNull(log.span_id),
    severity: json(log.severity),
    severity_text: json(log.severity_text),
    body: json(log.body),
    service: json(log.service),
    attributes: log.attributes,
    otlp: log.otlp,
    resource: log.resource,
    scope: log.scope,
  });
}

export function metricRowJson(metric: Omit<MetricRecord, 'tie'>): string {
  return jsonObject<MetricRow>({
    timestamp: json(formatNanos(metric.time_ns)),
    service: json(metric.service),
    name: json(metric.name),
    metric_type: json(metric.metric_type),
    ...valueJson(metric.value),
    unit: json(metric.unit),
    attributes: metric.attributes,
    otlp: metric.otlp,
    resource: metric.resource,
    scope: metric.scope,
  });
}

/** `null` for a value that JSON has no number for, which the text then spells, and for a point without a value. */
function valueJson(value: number | null): { value: string; value_text: string | undefined } {
  if (value === null) return { value: 'null', value_text: undefined };
  if (!Number.isFinite(value)) return { value: 'null', value_text: json(String(value)) };
  return { value: numberJson(value), value_text: undefined };
}

/** Members are JSON texts; an `undefined` one is left out. */
function jsonObject<Row>(members: { readonly [Member in keyof Required<Row>]: string | undefined }): string {
  const texts: string[] = [];
  for (const [name, text] of Object.entries(members))
    if (text !== undefined) texts.push(`"${name}":${text as string}`);
  return `{${texts.join(',')}}`;
}

function json(value: string | number): string {
  return JSON.stringify(value);
}

function idOrNull(id: string): string {
  return id === '' ? 'null' : json(id);
}

/** `JSON.stringify` writes -0 as 0, and a metric value must come back as it was. */
function numberJson(value: number): string {
  return Object.is(value, -0) ? '-0' : json(value);
}
