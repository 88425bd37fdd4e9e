import type { LogRow } from '../../shared/read/model.ts';
import { nanosKey } from '../../shared/read/ndjson.ts';
import { formatNanos } from '../../shared/time.ts';
import type { LogRecord } from '../store/tables.ts';
import { idJson, spanIdText, tieText, traceIdText } from './ids.ts';
import { jsonObject } from './json.ts';
import type { RowKind } from './row-kind.ts';
import { showAttributes, withAttributes } from './typed-attributes.ts';

export const LOG_ROWS: RowKind<LogRecord> = {
  table: 'logs',
  columns: [
    'time_ns',
    'observed_ns',
    'trace_id',
    'span_id',
    'severity',
    'severity_text',
    'body',
    'body_sha256',
    'service',
    'attributes',
    'otlp',
    'tie',
    'source',
  ],
  texts: ['body', 'attributes', 'otlp'],
  time: 'time_ns',
  stored: (values, source) => ({
    timeNs: values[0] as bigint,
    observedNs: values[1] as bigint,
    traceId: values[2] as bigint,
    spanId: values[3] as bigint,
    severity: values[4] as LogRecord['severity'],
    severityText: values[5] as string,
    body: values[6] as string,
    bodySha256: values[7] as string | null,
    service: values[8] as string,
    attributes: values[9] as string,
    otlp: values[10] as string | null,
    tie: values[11] as bigint,
    source,
  }),
  key: log => [
    nanosKey(log.timeNs),
    nanosKey(log.observedNs),
    traceIdText(log.traceId),
    spanIdText(log.spanId),
    tieText(log.tie),
  ],
  json: logRowJson,
};

function logRowJson(log: LogRecord): string {
  const { texts, typed } = showAttributes(log.attributes);
  return jsonObject<LogRow>({
    timestamp: JSON.stringify(formatNanos(log.timeNs)),
    observed_timestamp: JSON.stringify(formatNanos(log.observedNs)),
    trace_id: idJson(traceIdText(log.traceId)),
    span_id: idJson(spanIdText(log.spanId)),
    severity: JSON.stringify(log.severity),
    severity_text: JSON.stringify(log.severityText),
    body: JSON.stringify(log.body),
    body_sha256: log.bodySha256 === null ? undefined : JSON.stringify(log.bodySha256),
    service: JSON.stringify(log.service),
    attributes: texts,
    otlp:
      typed.length === 0
        ? (log.otlp ?? '{}')
        : JSON.stringify(withAttributes(JSON.parse(log.otlp ?? '{}'), typed)),
    resource: log.source.resource,
    scope: log.source.scope,
  });
}
