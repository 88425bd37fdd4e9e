import type { LogRow, MetricRow, SpanEventRow, SpanRow } from '../../src/shared/read/model.ts';
import { doubleJson, type Json } from './otlp-arbitraries.ts';

/*
 * Rows of the read API back to the OTLP/JSON records they were made of: the proof that a row holds all of its
 * record. The order of attributes with different keys is not part of a record.
 */

const KIND_NUMBERS: Readonly<Record<string, number>> = {
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
};
const STATUSES: Readonly<Record<string, Json>> = { ok: { code: 1 }, error: { code: 2 } };

/** Prompts and completions are kept as blobs; these are their texts by hash. */
export function spanOf(row: SpanRow, blobs: ReadonlyMap<unknown, string> = new Map()): Json {
  const {
    parentSpanId = row.parent_span_id,
    kind = KIND_NUMBERS[row.kind],
    attributes,
    events,
    status = STATUSES[row.status],
    ...rest
  } = row.otlp;
  return present({
    ...rest,
    traceId: row.trace_id,
    spanId: row.span_id,
    parentSpanId,
    name: row.operation,
    kind,
    startTimeUnixNano: nanosOf(row.start_time),
    endTimeUnixNano: nanosOf(row.end_time),
    attributes: attributesOf({ ...row.attributes, ...promptsOf(row, blobs) }, attributes),
    events: events === undefined ? row.events.map(eventOf) : (events as Json[]).map(sortedAttributes),
    status,
  });
}

function promptsOf({ llm = {} }: SpanRow, blobs: ReadonlyMap<unknown, string>): Record<string, string> {
  const prompt = blobs.get(llm.prompt_sha256);
  const completion = blobs.get(llm.completion_sha256);
  return {
    ...(prompt !== undefined && { 'gen_ai.prompt': prompt }),
    ...(completion !== undefined && { 'gen_ai.completion': completion }),
  };
}

function eventOf(event: SpanEventRow): Json {
  return present({
    name: event.name,
    timeUnixNano: nanosOf(event.timestamp),
    attributes: attributesOf(event.attributes, undefined),
  });
}

export function logRecordOf(row: LogRow): Json {
  const { attributes, ...rest } = row.otlp;
  return present({
    timeUnixNano: nanosOf(row.timestamp),
    observedTimeUnixNano: nanosOf(row.observed_timestamp),
    severityText: row.severity_text,
    body: { stringValue: row.body },
    traceId: row.trace_id,
    spanId: row.span_id,
    ...rest,
    attributes: attributesOf(row.attributes, attributes),
  });
}

/** A metric with the one data point of the row. */
export function metricOf(row: MetricRow): Json {
  const [kind] = Object.keys(row.otlp).filter(member => DATA_MEMBERS.includes(member));
  const data = row.otlp[kind as string] as { dataPoints: [Json] };
  const [{ attributes, ...pointRest }] = data.dataPoints;
  const hasValue = row.value !== null || row.value_text !== undefined;
  const isDouble = (kind === 'gauge' || kind === 'sum') && pointRest.asInt === undefined && hasValue;
  const value = row.value_text ?? doubleJson(row.value ?? 0);
  const point = {
    ...pointRest,
    ...present({
      timeUnixNano: nanosOf(row.timestamp),
      attributes: attributesOf(row.attributes, attributes),
    }),
  };
  return present({
    ...row.otlp,
    name: row.name,
    unit: row.unit,
    [kind as string]: { ...data, dataPoints: [isDouble ? { ...point, asDouble: value } : point] },
  });
}

export const DATA_MEMBERS = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'];

/** Strings from the row, everything else from `otlp`, sorted by key. */
function attributesOf(texts: Readonly<Record<string, string>>, rest: unknown): Json[] {
  const others = (rest ?? []) as Json[];
  const otherKeys = new Set(others.map(keyOf));
  const strings = Object.entries(texts)
    .filter(([key]) => !otherKeys.has(key))
    .map(([key, stringValue]) => ({ ...(key !== '' && { key }), value: { stringValue } }));
  return byKey([...others, ...strings]);
}

/** The same with the attributes in the order of their keys; equal keys keep theirs. */
export function sortedAttributes<T extends Json>(record: T): T {
  return Array.isArray(record.attributes)
    ? { ...record, attributes: byKey(record.attributes as Json[]) }
    : record;
}

function byKey(attributes: readonly Json[]): Json[] {
  return attributes.toSorted((a, b) => (keyOf(a) === keyOf(b) ? 0 : keyOf(a) < keyOf(b) ? -1 : 1));
}

function keyOf(attribute: Json): string {
  return (attribute.key ?? '') as string;
}

function nanosOf(time: string): string {
  const [, second = '', fraction = ''] = /^(.{19})(?:\.(\d+))?Z$/.exec(time) ?? [];
  const nanos = BigInt(Date.parse(`${second}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  return nanos.toString();
}

/** Without what the canonical form leaves out. */
function present(json: Json): Json {
  return Object.fromEntries(
    Object.entries(json).filter(
      ([, value]) =>
        value !== undefined &&
        value !== null &&
        value !== '' &&
        value !== 0 &&
        value !== '0' &&
        !(Array.isArray(value) && value.length === 0),
    ),
  );
}
