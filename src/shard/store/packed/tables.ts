import {
  KINDS,
  type LogRecord,
  METRIC_TYPES,
  type MetricRecord,
  SEVERITIES,
  type SpanRecord,
  STATUSES,
} from '../tables.ts';
import {
  flag,
  oneOf,
  optionalDouble,
  optionalText,
  serviceOfOrigin,
  short,
  signed,
  sourceOfOrigin,
  text,
  unsigned,
  unstored,
} from './fields.ts';
import { createLayout } from './layout.ts';

export const SPANS = createLayout<SpanRecord>('spans', {
  traceId: unsigned(128),
  slot: short(),
  spanId: unsigned(64),
  parentSpanId: unsigned(64),
  service: serviceOfOrigin(),
  operation: text(),
  startNs: unsigned(64),
  durationNs: signed(),
  status: oneOf(STATUSES),
  kind: oneOf(KINDS),
  attributes: text(),
  events: optionalText(),
  llm: optionalText(),
  otlp: optionalText(),
  source: sourceOfOrigin(),
  traceKey: unstored(unsigned(64)),
  replaces: unstored(flag()),
});

export const LOGS = createLayout<LogRecord>('logs', {
  timeNs: unsigned(64),
  observedNs: unsigned(64),
  traceId: unsigned(128),
  spanId: unsigned(64),
  severity: oneOf(SEVERITIES),
  severityText: text(),
  body: text(),
  bodySha256: optionalText(),
  service: serviceOfOrigin(),
  attributes: text(),
  otlp: optionalText(),
  source: sourceOfOrigin(),
  tie: unsigned(64),
});

export const METRICS = createLayout<MetricRecord>('metrics', {
  timeNs: unsigned(64),
  service: serviceOfOrigin(),
  name: text(),
  metricType: oneOf(METRIC_TYPES),
  value: optionalDouble(),
  unit: text(),
  attributes: text(),
  otlp: optionalText(),
  source: sourceOfOrigin(),
  tie: unsigned(64),
});
