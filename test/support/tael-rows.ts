import { formatNanos } from '../../src/shared/time.ts';
import type { Json } from './otlp-arbitraries.ts';

/* What a tael-server 0.5.15 makes of OTLP (read API contract §2), as far as tests need it. */

type Members = Readonly<Record<string, unknown>>;
type Texts = Readonly<Record<string, string>>;

export interface ListedSpan {
  readonly trace_id: string;
  readonly span_id: string;
  readonly service: string;
  readonly operation: string;
  readonly start_time: string;
  readonly duration_ms: number;
  readonly status: string;
  readonly attributes: Texts;
}

export interface ListedLog {
  readonly timestamp: string;
  readonly trace_id: string | null;
  readonly service: string;
  readonly severity: string;
  readonly body: string;
}

export interface ListedMetric {
  readonly timestamp: string;
  readonly service: string;
  readonly name: string;
  readonly metric_type: string;
  readonly value: number | null;
}

/** Members are in the order of their names, as it writes them. */
export function listedSpans(request: Json): ListedSpan[] {
  return recordsOf(request, { resources: 'resourceSpans', scopes: 'scopeSpans', records: 'spans' }).map(
    ({ service, record }) => {
      const [start, end] = [nanos(record.startTimeUnixNano), nanos(record.endTimeUnixNano)];
      return {
        attributes: textsOf(record.attributes),
        // Rounded as doubles are (D14).
        duration_ms: (Number(end) - Number(start)) / 1e6,
        end_time: formatNanos(end),
        events: [],
        kind: 'internal',
        operation: String(record.name ?? ''),
        parent_span_id: record.parentSpanId ?? null,
        service,
        span_id: String(record.spanId),
        start_time: formatNanos(start),
        status:
          ['unset', 'ok', 'error'][Number((record.status as Members | undefined)?.code ?? 0)] ?? 'unset',
        trace_id: String(record.traceId),
      };
    },
  );
}

const SEVERITIES = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

export function listedLogs(request: Json): ListedLog[] {
  return recordsOf(request, { resources: 'resourceLogs', scopes: 'scopeLogs', records: 'logRecords' }).map(
    ({ service, record }) => {
      const severity = SEVERITIES[Math.floor((Number(record.severityNumber ?? 0) - 1) / 4)] ?? 'unspecified';
      return {
        attributes: textsOf(record.attributes),
        body: String((record.body as Members | undefined)?.stringValue ?? ''),
        observed_timestamp: formatNanos(nanos(record.observedTimeUnixNano)),
        service,
        severity,
        severity_text: String(record.severityText ?? severity.toUpperCase()),
        span_id: record.spanId ?? null,
        timestamp: formatNanos(nanos(record.timeUnixNano)),
        trace_id: (record.traceId as string | undefined) ?? null,
      };
    },
  );
}

export function listedMetrics(request: Json): ListedMetric[] {
  return recordsOf(request, {
    resources: 'resourceMetrics',
    scopes: 'scopeMetrics',
    records: 'metrics',
  }).flatMap(({ service, record }) => {
    const type = record.gauge === undefined ? 'sum' : 'gauge';
    const points = (record[type] as Members).dataPoints as readonly Members[];
    return points.map(point => ({
      attributes: textsOf(point.attributes),
      metric_type: type,
      name: String(record.name),
      service,
      timestamp: formatNanos(nanos(point.timeUnixNano)),
      unit: String(record.unit ?? ''),
      value: finite(Number(point.asInt ?? point.asDouble)),
    }));
  });
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function nanos(text: unknown): bigint {
  return BigInt((text as string | undefined) ?? 0);
}

interface Path {
  readonly resources: string;
  readonly scopes: string;
  readonly records: string;
}

function recordsOf(request: Json, { resources, scopes, records }: Path) {
  const lists = (parent: Members, name: string) => parent[name] as readonly Members[];
  return lists(request as Members, resources).flatMap(group => {
    const service = textsOf((group.resource as Members).attributes)['service.name'] ?? 'unknown';
    return lists(group, scopes).flatMap(scope => lists(scope, records).map(record => ({ service, record })));
  });
}

function textsOf(attributes: unknown): Texts {
  const texts = ((attributes ?? []) as readonly Members[]).map(({ key, value }) => {
    const { stringValue, intValue, boolValue, doubleValue } = value as Members;
    return [key, String(stringValue ?? intValue ?? boolValue ?? doubleValue)] as [string, string];
  });
  return Object.fromEntries(texts.sort());
}
