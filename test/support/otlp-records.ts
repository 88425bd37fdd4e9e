import { createJsonTranscoder } from '../../src/shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import type { Signal } from '../../src/shared/otlp/signal.ts';

const types = createOtlpTypes();
const transcoder = createJsonTranscoder(types);

/** Of a request's members in OTLP/JSON: the list of its groups, that of their scopes, and that of their records. */
export const RECORD_LISTS = {
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
} as const;

type Json = Record<string, unknown>;

/** A request in OTLP/JSON as protobuf. */
export function protobufOf(signal: Signal, request: object): Buffer {
  const transcoded = transcoder.toProtobuf(signal, Buffer.from(JSON.stringify(request)));
  if (transcoded.kind === 'malformed') throw new Error(transcoded.reason);
  return transcoded.body;
}

/** Every record with the envelopes around it, as text that does not depend on the order of records. */
export function recordsOf(signal: Signal, bytes: Buffer): { key: string; text: string }[] {
  const [groupName, scopeName, recordName] = RECORD_LISTS[signal];
  const type = types.request(signal);
  const request = type.toObject(type.decode(bytes), { longs: String, bytes: String, json: true });
  const list = (parent: Json, name: string) => (parent[name] ?? []) as Json[];
  return list(request, groupName).flatMap(group =>
    list(group, scopeName).flatMap(scope =>
      list(scope, recordName).map(record => ({
        key: keyOf(signal, record, group),
        text: JSON.stringify([group.resource, group.schemaUrl, scope.scope, scope.schemaUrl, record]),
      })),
    ),
  );
}

/** The shard key by the definition, from decoded records: what the wire walk must agree with. */
function keyOf(signal: Signal, record: Json, group: Json): string {
  if (signal === 'metrics') return Buffer.from((record.name as string | undefined) ?? '').toString('hex');
  const traceId = Buffer.from((record.traceId as string | undefined) ?? '', 'base64');
  if (traceId.length === 16 && traceId.some(byte => byte !== 0)) return traceId.toString('hex');
  const attributes = ((group.resource as Json | undefined)?.attributes ?? []) as {
    key: string;
    value?: Json;
  }[];
  const service = attributes.find(
    ({ key, value }) => key === 'service.name' && Object.keys(value ?? {}).length > 0,
  );
  const name = service === undefined ? 'unknown' : ((service.value?.stringValue as string | undefined) ?? '');
  return Buffer.from(name).toString('hex');
}
