import type { LogRow, MetricRow, SpanRow } from '../../src/shared/read/model.ts';
import type { Json } from './otlp-arbitraries.ts';
import { DATA_MEMBERS, logRecordOf, metricOf, spanOf } from './otlp-from-row.ts';

/**
 * Rows of the read API and requests of an SDK in one form, so that a test can hold what was read back against what
 * was exported: every record with the resource and the scope around it.
 */
export const RECORD_OF = {
  /** Prompts and completions are named by hash; `blobs` has their texts. */
  traces: (row: Json, blobs?: ReadonlyMap<unknown, string>) =>
    withSurroundings(spanOf(row as unknown as SpanRow, blobs), row),
  logs: (row: Json) => withSurroundings(logRecordOf(row as unknown as LogRow), row),
  metrics: (row: Json) => withSurroundings(metricOf(row as unknown as MetricRow), row),
} as const;

function withSurroundings(record: Json, row: Json): Json {
  const { resource, schemaUrl: resourceSchemaUrl } = row.resource as Json;
  const { scope, schemaUrl: scopeSchemaUrl } = row.scope as Json;
  return canonical({ record, resource, resourceSchemaUrl, scope, scopeSchemaUrl });
}

const NAMES = {
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
} as const;

/** Every record of an OTLP/JSON request; a metric once for each of its data points. */
export function recordsOf(signal: keyof typeof NAMES, request: Json): Json[] {
  const [groupName, scopeName, recordName] = NAMES[signal];
  return list(request, groupName).flatMap(group =>
    list(group, scopeName).flatMap(scope =>
      list(scope, recordName)
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
  const kind = DATA_MEMBERS.find(member => member in record);
  if (kind === undefined) return [record];
  const data = record[kind] as Json;
  return list(data, 'dataPoints').map(point => ({ ...record, [kind]: { ...data, dataPoints: [point] } }));
}

function list(parent: Json, name: string): Json[] {
  return (parent[name] ?? []) as Json[];
}

/** Members whose default means something else than their absence. */
const OPTIONAL =
  /^(?:sum|min|max|asInt|asDouble|stringValue|boolValue|intValue|doubleValue|bytesValue|arrayValue|kvlistValue)$/;
/** 64-bit integers, which OTLP/JSON writes as numbers or strings. */
const INTEGER = /^(?:intValue|asInt|count|zeroCount|\w*[tT]imeUnixNano)$/;

function canonical(json: Json): Json {
  return canonicalValue(json, '') as Json;
}

/** Lists of attributes by key, 64-bit integers as text, members by name and without their defaults. */
function canonicalValue(value: unknown, name: string): unknown {
  if (Array.isArray(value)) {
    if (name === 'bucketCounts') return value.map(String);
    const items = value.map(item => canonicalValue(item, ''));
    return /attributes$/i.test(name) ? items.sort(byKey) : items;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .map(([member, inner]) => [member, canonicalValue(inner, member)] as const)
      .filter(([member, inner]) => OPTIONAL.test(member) || !isDefault(inner));
    return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  return INTEGER.test(name) ? String(value) : value;
}

function isDefault(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return (
    value === undefined || value === null || value === '' || value === 0 || value === '0' || value === false
  );
}

/** Attributes may lack a key, which then is empty; those with equal ones keep their order. */
function byKey(a: unknown, b: unknown): number {
  const [first, second] = [a, b].map(attribute => (attribute as { key?: string }).key ?? '') as [
    string,
    string,
  ];
  return first === second ? 0 : first < second ? -1 : 1;
}
