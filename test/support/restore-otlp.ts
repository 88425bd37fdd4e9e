/**
 * Rows of the read API back into OTLP/JSON records, from nothing but their documented members, so that a test can
 * hold them against what the SDK says it exported.
 */
export type Json = Record<string, unknown>;

const SPAN_KINDS: Readonly<Record<string, number>> = {
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
};
const STATUS_CODES: Readonly<Record<string, number>> = { unset: 0, ok: 1, error: 2 };

/** RFC 3339 with up to nine digits, as decimal nanoseconds. */
export function nanosOf(time: unknown): string {
  const [whole = '', fraction = ''] = String(time).replace(/Z$/, '').split('.');
  return String(BigInt(Date.parse(`${whole}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0') || '0'));
}

export function spanOf(row: Json): Json {
  const { attributes, events, status, ...rest } = row.otlp as Json;
  return canonical({
    record: {
      traceId: row.trace_id,
      spanId: row.span_id,
      ...(row.parent_span_id !== null && { parentSpanId: row.parent_span_id }),
      name: row.operation,
      kind: SPAN_KINDS[row.kind as string],
      startTimeUnixNano: nanosOf(row.start_time),
      endTimeUnixNano: nanosOf(row.end_time),
      attributes: attributesOf(row.attributes, attributes),
      events: events ?? (row.events as Json[]).map(eventOf),
      status: status ?? { code: STATUS_CODES[row.status as string] },
      ...rest,
    },
    ...surroundingsOf(row),
  });
}

function eventOf(event: Json): Json {
  return {
    name: event.name,
    timeUnixNano: nanosOf(event.timestamp),
    attributes: attributesOf(event.attributes, undefined),
  };
}

export function logOf(row: Json): Json {
  const { attributes, ...rest } = row.otlp as Json;
  return canonical({
    record: {
      timeUnixNano: nanosOf(row.timestamp),
      observedTimeUnixNano: nanosOf(row.observed_timestamp),
      severityText: row.severity_text,
      body: { stringValue: row.body },
      ...(row.trace_id !== null && { traceId: row.trace_id }),
      ...(row.span_id !== null && { spanId: row.span_id }),
      attributes: attributesOf(row.attributes, attributes),
      ...rest,
    },
    ...surroundingsOf(row),
  });
}

const METRIC_KINDS = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'] as const;

export function metricOf(row: Json): Json {
  const rest = row.otlp as Json;
  const kind = METRIC_KINDS.find(candidate => candidate in rest) as string;
  const data = rest[kind] as Json;
  const [{ attributes, ...point } = {} as Json] = data.dataPoints as Json[];
  const isNumber = kind === 'gauge' || kind === 'sum';
  return canonical({
    record: {
      ...rest,
      name: row.name,
      ...(row.unit !== '' && { unit: row.unit }),
      [kind]: {
        ...data,
        dataPoints: [
          {
            timeUnixNano: nanosOf(row.timestamp),
            ...(isNumber && !('asInt' in point) && { asDouble: row.value }),
            ...point,
            attributes: attributesOf(row.attributes, attributes),
          },
        ],
      },
    },
    ...surroundingsOf(row),
  });
}

/** String attributes are in the row itself; the others are listed with their types. */
function attributesOf(texts: unknown, typed: unknown): Json[] {
  const others = (typed ?? []) as { key: string; value: Json }[];
  const listed = new Set(others.map(attribute => attribute.key));
  const strings = Object.entries(texts as Record<string, string>)
    .filter(([key]) => !listed.has(key))
    .map(([key, stringValue]) => ({ key, value: { stringValue } }));
  return [...strings, ...others];
}

function surroundingsOf(row: Json): Json {
  return {
    resource: (row.resource as Json).resource,
    resourceSchemaUrl: (row.resource as Json).schemaUrl,
    scope: (row.scope as Json).scope,
    scopeSchemaUrl: (row.scope as Json).schemaUrl,
  };
}

/**
 * One form for values that mean the same in OTLP: attribute lists by key, integers as text, defaults left out.
 * `sum: 0` and the like of optional members are kept: absent means something else there.
 */
export function canonical(value: unknown): Json {
  return canonicalValue(value, '') as Json;
}

const OPTIONAL = new Set([
  'sum',
  'min',
  'max',
  'stringValue',
  'boolValue',
  'intValue',
  'doubleValue',
  'asInt',
  'asDouble',
]);
const INTEGERS = new Set([
  'intValue',
  'asInt',
  'count',
  'timeUnixNano',
  'startTimeUnixNano',
  'endTimeUnixNano',
  'observedTimeUnixNano',
]);

function canonicalValue(value: unknown, name: string): unknown {
  if (Array.isArray(value)) {
    const items = value.map(item => (name === 'bucketCounts' ? String(item) : canonicalValue(item, '')));
    return /attributes$/i.test(name) ? items.sort(byKey) : items;
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .map(([member, inner]) => [member, canonicalValue(inner, member)] as const)
        .filter(([member, inner]) => OPTIONAL.has(member) || !isDefault(inner))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }
  return INTEGERS.has(name) ? String(value) : value;
}

function isDefault(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return (
    value === undefined || value === null || value === '' || value === 0 || value === '0' || value === false
  );
}

function byKey(a: unknown, b: unknown): number {
  return (a as { key: string }).key < (b as { key: string }).key ? -1 : 1;
}

/** Every record of an OTLP/JSON request in the same form, one data point a metric. */
export function recordsOf(request: Json, names: readonly [string, string, string]): Json[] {
  const list = (parent: Json, name: string) => (parent[name] ?? []) as Json[];
  return list(request, names[0]).flatMap(group =>
    list(group, names[1]).flatMap(scope =>
      list(scope, names[2])
        .flatMap(onePointEach)
        .map(record =>
          canonical({
            record,
            resource: group.resource,
            resourceSchemaUrl: group.schemaUrl,
            scope: scope.scope,
            scopeSchemaUrl: scope.schemaUrl,
          }),
        ),
    ),
  );
}

function onePointEach(record: Json): Json[] {
  const kind = METRIC_KINDS.find(candidate => candidate in record);
  if (kind === undefined) return [record];
  const data = record[kind] as Json;
  return (data.dataPoints as Json[]).map(point => ({ ...record, [kind]: { ...data, dataPoints: [point] } }));
}
