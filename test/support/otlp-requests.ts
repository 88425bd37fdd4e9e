import fc from 'fast-check';
import {
  type Json,
  otlpLogRecord,
  otlpMetric,
  otlpResource,
  otlpScope,
  otlpSpan,
} from './otlp-arbitraries.ts';

/** Few enough traces that one request has several spans of one. */
const spanOfFewTraces = fc
  .tuple(otlpSpan, fc.option(fc.integer({ min: 1, max: 6 })))
  .map(([span, trace]) => ({
    ...span,
    ...(trace !== null && { traceId: trace.toString(16).padStart(32, '0') }),
  }));

/** Resources of a few named services, so that logs without a trace share shards. */
const resource = fc.oneof(
  otlpResource,
  fc.constantFrom('checkout', 'cart', 'payment', '').map(name => ({
    attributes: [{ key: 'service.name', value: { stringValue: name } }],
  })),
);

interface Names {
  readonly group: string;
  readonly scopes: string;
  readonly records: string;
}

function request(names: Names, record: fc.Arbitrary<unknown>): fc.Arbitrary<Json> {
  const envelope = (members: Record<string, fc.Arbitrary<unknown>>, required: string) =>
    fc.record<Json>(
      { ...members, schemaUrl: fc.constantFrom('', 'https://schema/1') },
      { requiredKeys: [required] },
    );
  const records = fc.array(record, { maxLength: 5 });
  const scopes = fc.array(envelope({ scope: otlpScope, [names.records]: records }, names.records), {
    maxLength: 3,
  });
  const groups = fc.array(envelope({ resource, [names.scopes]: scopes }, names.scopes), { maxLength: 3 });
  return fc.record<Json>({ [names.group]: groups });
}

/** Whole `Export*ServiceRequest`s in OTLP/JSON. */
export const otlpRequests = {
  traces: request({ group: 'resourceSpans', scopes: 'scopeSpans', records: 'spans' }, spanOfFewTraces),
  logs: request({ group: 'resourceLogs', scopes: 'scopeLogs', records: 'logRecords' }, otlpLogRecord),
  metrics: request({ group: 'resourceMetrics', scopes: 'scopeMetrics', records: 'metrics' }, otlpMetric),
} as const;
