import type { Severity } from '../../shared/read/contract.ts';
import type { LogRecord } from '../store/tables.ts';
import { kindOf, scalarText } from './any-value.ts';
import { attributesBeyondTexts, attributeTexts, serviceOf, textsJson } from './attributes.ts';
import { isSpanId, isTraceId } from './ids.ts';
import { type LogsData, type OtlpLogRecord, toBigInt, toHex } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';
import type { Sink } from './sink.ts';
import { resourceJson, type Surroundings, scopeJson } from './surroundings.ts';

export type TieOfLog = (record: Omit<LogRecord, 'tie'>) => string;

export function decodeLogs(data: LogsData, sink: Sink, tieOf: TieOfLog): void {
  for (const resourceLogs of data.resourceLogs) {
    const service = serviceOf(resourceLogs.resource, 'are empty');
    const resource = resourceJson(resourceLogs);
    for (const scopeLogs of resourceLogs.scopeLogs) {
      const surroundings = { service, resource, scope: scopeJson(scopeLogs) };
      for (const log of scopeLogs.logRecords) {
        const record = logRecord(log, surroundings);
        sink.records.logs.push({ ...record, tie: tieOf(record) });
      }
    }
  }
}

function logRecord(log: OtlpLogRecord, surroundings: Surroundings): Omit<LogRecord, 'tie'> {
  const timeNs = toBigInt(log.timeUnixNano);
  const observedNs = toBigInt(log.observedTimeUnixNano);
  const severity = severityOf(log.severityNumber);
  return {
    // A record that only says when it was seen happened about then, not in 1970.
    time_ns: timeNs === 0n ? observedNs : timeNs,
    observed_ns: observedNs,
    trace_id: isTraceId(log.traceId) ? toHex(log.traceId) : '',
    span_id: isSpanId(log.spanId) ? toHex(log.spanId) : '',
    severity,
    severity_text: log.severityText === '' ? severity.toUpperCase() : log.severityText,
    body: scalarText(log.body) ?? '',
    ...surroundings,
    attributes: textsJson(attributeTexts(log.attributes)),
    otlp: JSON.stringify(logRest(log)),
  };
}

/** By number only (contract §2.4): four numbers per word, from 1. */
function severityOf(number: number): Severity {
  const words = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
  return words[Math.floor((number - 1) / 4)] ?? 'unspecified';
}

const IN_THE_ROW: ReadonlySet<string> = new Set([
  'timeUnixNano',
  'observedTimeUnixNano',
  'severityText',
  'body',
  'attributes',
  'traceId',
  'spanId',
]);

/**
 * What the row's own members do not tell, in OTLP/JSON. Where the row shows something in place of an absent member,
 * that member is here with its default (`null` for a body), so that the two can be told apart.
 */
function logRest(log: OtlpLogRecord): Record<string, unknown> {
  const attributes = attributesBeyondTexts(log.attributes);
  const isTimeBorrowed = toBigInt(log.timeUnixNano) === 0n && toBigInt(log.observedTimeUnixNano) !== 0n;
  return {
    ...otlpJson(log, IN_THE_ROW),
    ...(isTimeBorrowed && { timeUnixNano: '0' }),
    ...(log.severityText === '' && { severityText: '' }),
    ...(log.body === null && { body: null }),
    ...(log.body !== null && kindOf(log.body) !== 'stringValue' && { body: otlpJson(log.body) }),
    ...(attributes.length > 0 && { attributes }),
    ...(log.traceId.length > 0 && !isTraceId(log.traceId) && { traceId: toHex(log.traceId) }),
    ...(log.spanId.length > 0 && !isSpanId(log.spanId) && { spanId: toHex(log.spanId) }),
  };
}
