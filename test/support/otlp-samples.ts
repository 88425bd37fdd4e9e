import type { Json } from './otlp-arbitraries.ts';

/** A trace id that is the name's bytes, at most 16; names of one length sort as their ids do. */
export function traceId(name: string | number): string {
  return hexId(name, 16);
}

/** A span id that is the name's bytes, at most 8. */
export function spanId(name: string | number): string {
  return hexId(name, 8);
}

function hexId(name: string | number, bytes: number): string {
  const id = Buffer.from(String(name));
  if (id.length > bytes) throw new Error(`"${name}" is longer than ${bytes} bytes`);
  return id.toString('hex').padStart(2 * bytes, '0');
}

export function attribute(key: string, value: string | number | boolean): Json {
  if (typeof value === 'string') return { key, value: { stringValue: value } };
  if (typeof value === 'boolean') return { key, value: { boolValue: value } };
  return { key, value: Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value } };
}

export interface SpanSample {
  readonly trace: string | number;
  readonly span: string | number;
  /** Nanoseconds. */
  readonly start?: number | bigint;
  readonly durationNs?: number | bigint;
  readonly name?: string;
  /** OTLP status code. */
  readonly status?: number;
  readonly attributes?: readonly Json[];
}

export function span({
  trace,
  span,
  start = 1000,
  durationNs = 1,
  name = 'op',
  status,
  attributes = [],
}: SpanSample): Json {
  return {
    traceId: traceId(trace),
    spanId: spanId(span),
    name,
    startTimeUnixNano: String(start),
    endTimeUnixNano: String(BigInt(start) + BigInt(durationNs)),
    attributes,
    ...(status !== undefined && { status: { code: status } }),
  };
}

export function tracesOf(service: string, spans: readonly SpanSample[]): Json {
  return { resourceSpans: [{ ...resourceOf(service), scopeSpans: [{ spans: spans.map(span) }] }] };
}

export function logsOf(service: string, logRecords: readonly Json[]): Json {
  return { resourceLogs: [{ ...resourceOf(service), scopeLogs: [{ logRecords }] }] };
}

export function metricsOf(service: string, metrics: readonly Json[]): Json {
  return { resourceMetrics: [{ ...resourceOf(service), scopeMetrics: [{ metrics }] }] };
}

function resourceOf(service: string): Json {
  return { resource: { attributes: [attribute('service.name', service)] } };
}
