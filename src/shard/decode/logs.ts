import type { Severity } from '../../shared/read/contract.ts';
import { kindOf, scalarText } from './any-value.ts';
import { attributesBeyondValues, attributeValues, valuesJson } from './attributes.ts';
import { textBlob } from './blob.ts';
import { isSpanId, isTraceId, spanIdNumber, traceIdNumber } from './ids.ts';
import { type OtlpLogRecord, toBigInt, toHex } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';
import type { Sink } from './sink.ts';
import type { Surroundings } from './surroundings.ts';

/** Longer bodies, in bytes of UTF-8, are kept as blobs (contract §2.4). */
export const MAX_BODY_BYTES = 8192;

export function decodeLog(log: OtlpLogRecord, { surroundings, tie, sink }: LogContext): void {
  const body = scalarText(log.body) ?? '';
  const blob = isLong(body) ? textBlob(body) : undefined;
  if (blob !== undefined) sink.records.blobs.push(blob);
  sink.records.logWords.addText(body);

  const timeNs = toBigInt(log.timeUnixNano);
  const observedNs = toBigInt(log.observedTimeUnixNano);
  const severity = severityOf(log.severityNumber);
  sink.records.logs.push({
    // A record that only says when it was seen happened about then, not in 1970.
    timeNs: timeNs === 0n ? observedNs : timeNs,
    observedNs,
    traceId: traceIdNumber(log.traceId),
    spanId: spanIdNumber(log.spanId),
    severity,
    severityText: log.severityText === '' ? severity.toUpperCase() : log.severityText,
    body: blob === undefined ? body : '',
    bodySha256: blob?.sha256 ?? null,
    service: surroundings.service,
    attributes: valuesJson(attributeValues(log.attributes)),
    otlp: logRest(log),
    source: surroundings.source,
    tie,
  });
}

interface LogContext {
  readonly surroundings: Surroundings;
  readonly tie: bigint;
  readonly sink: Sink;
}

function isLong(body: string): boolean {
  return body.length > MAX_BODY_BYTES / 3 && Buffer.byteLength(body) > MAX_BODY_BYTES;
}

/** By number only (contract §2.4): four numbers per word, from 1. */
export function severityOf(number: number): Severity {
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
 * What the other columns do not tell, in OTLP/JSON. Where the row shows something in place of an absent member,
 * that member is here with its default (`null` for a body), so that the two can be told apart.
 */
function logRest(log: OtlpLogRecord): string | null {
  const attributes = attributesBeyondValues(log.attributes);
  const isTimeBorrowed = toBigInt(log.timeUnixNano) === 0n && toBigInt(log.observedTimeUnixNano) !== 0n;
  const rest = {
    ...otlpJson(log, IN_THE_ROW),
    ...(isTimeBorrowed && { timeUnixNano: '0' }),
    ...(log.severityText === '' && { severityText: '' }),
    ...(log.body === null && { body: null }),
    ...(log.body !== null && kindOf(log.body) !== 'stringValue' && { body: otlpJson(log.body) }),
    ...(attributes.length > 0 && { attributes }),
    ...(log.traceId.length > 0 && !isTraceId(log.traceId) && { traceId: toHex(log.traceId) }),
    ...(log.spanId.length > 0 && !isSpanId(log.spanId) && { spanId: toHex(log.spanId) }),
  };
  return Object.keys(rest).length === 0 ? null : JSON.stringify(rest);
}
