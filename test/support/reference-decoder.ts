import { serviceOf } from '../../src/shard/decode/attributes.ts';
import { decodeLog } from '../../src/shard/decode/logs.ts';
import type { MetricPoints } from '../../src/shard/decode/metric-points.ts';
import { decodeMetric } from '../../src/shard/decode/metrics.ts';
import type { Metric, OtlpLogRecord, OtlpMessage, Resource, Span } from '../../src/shard/decode/otlp.ts';
import { createSink, type Sink } from '../../src/shard/decode/sink.ts';
import { sourceOf } from '../../src/shard/decode/source.ts';
import { decodeSpan } from '../../src/shard/decode/spans.ts';
import type { Surroundings } from '../../src/shard/decode/surroundings.ts';
import { NO_POOL } from '../../src/shared/buffer-pool.ts';
import type { OtlpTypes } from '../../src/shared/otlp/messages.ts';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import type { Hash } from '../../src/shared/topology/hash.ts';

interface InScope<R> {
  readonly scope: OtlpMessage | null;
  readonly schemaUrl: string;
  readonly records: readonly R[];
}

interface InResource<R> {
  readonly resource: Resource | null;
  readonly schemaUrl: string;
  readonly scopes: readonly InScope<R>[];
}

const NAMES = {
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
} as const;

/**
 * What a request holds when protobufjs decodes all of it, envelope and records: what the shard's decoder, which reads
 * most of it straight off the wire, must find too. Ties, which are of bytes, are 0. Throws on what is no OTLP.
 */
export function decodeByMessages(
  { types, hash }: { types: OtlpTypes; hash: Hash },
  signal: Signal,
  body: Buffer,
): Sink {
  const sink = createSink({ sizeBytes: 0, buffers: NO_POOL });
  for (const { resource, schemaUrl, scopes } of groupsOf(signal, types.request(signal).decode(body))) {
    for (const inScope of scopes) {
      const surroundings: Surroundings = {
        service: serviceOf(resource, 'are empty'),
        metricService: serviceOf(resource, 'are skipped'),
        source: sourceOf({ resource, schemaUrl }, inScope),
        hash: 0n,
      };
      for (const record of inScope.records) decodeRecord(signal, record, { surroundings, sink, hash });
    }
  }
  return sink;
}

function decodeRecord(
  signal: Signal,
  record: unknown,
  { surroundings, sink, hash }: { surroundings: Surroundings; sink: Sink; hash: Hash },
): void {
  if (signal === 'traces') decodeSpan(record as Span, surroundings, { sink, hash });
  else if (signal === 'logs') decodeLog(record as OtlpLogRecord, { surroundings, tie: 0n, sink });
  else addMetric(decodeMetric(record as Metric, { surroundings, ties: [], sink }));
}

function addMetric(points: MetricPoints): void {
  points.add(0, points.count);
}

type Members = Readonly<Record<string, unknown>>;

function groupsOf(signal: Signal, data: unknown): InResource<unknown>[] {
  const [groupName, scopeName, recordName] = NAMES[signal];
  return ((data as Members)[groupName] as Members[]).map(group => ({
    resource: group.resource as Resource | null,
    schemaUrl: group.schemaUrl as string,
    scopes: (group[scopeName] as Members[]).map(inScope => ({
      scope: inScope.scope as OtlpMessage | null,
      schemaUrl: inScope.schemaUrl as string,
      records: inScope[recordName] as unknown[],
    })),
  }));
}
