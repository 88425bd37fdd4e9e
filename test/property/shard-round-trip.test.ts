import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atOnce, createDecoder } from '../../src/shard/decode/decoder.ts';
import { LOG_ROWS } from '../../src/shard/rows/log-row.ts';
import { METRIC_ROWS } from '../../src/shard/rows/metric-row.ts';
import { SPAN_ROWS } from '../../src/shard/rows/span-row.ts';
import type { Records } from '../../src/shard/store/tables.ts';
import { NO_POOL } from '../../src/shared/buffer-pool.ts';
import { createJsonTranscoder } from '../../src/shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import type { LogRow, MetricRow, SpanRow } from '../../src/shared/read/model.ts';
import { createHash } from '../../src/shared/topology/hash.ts';
import {
  type Json,
  otlpLogRecord,
  otlpMetric,
  otlpResource,
  otlpScope,
  otlpSpan,
} from '../support/otlp-arbitraries.ts';
import { DATA_MEMBERS, logRecordOf, metricOf, sortedAttributes, spanOf } from '../support/otlp-from-row.ts';

const types = createOtlpTypes();
const transcoder = createJsonTranscoder(types);
const decode = atOnce(createDecoder({ types, hash: await createHash(), buffers: NO_POOL }));

function decodeJson(signal: Signal, json: Json): Records {
  const transcoded = transcoder.toProtobuf(signal, Buffer.from(JSON.stringify(json)));
  if (transcoded.kind === 'malformed') throw new Error(transcoded.reason);
  const decoded = decode(signal, transcoded.body);
  if (decoded.kind === 'malformed') throw new Error(decoded.reason);
  expect([...decoded.rejections]).toEqual([]);
  return decoded.records;
}

function blobTexts({ blobs }: Records): ReadonlyMap<unknown, string> {
  return new Map(blobs.map(({ sha256, content }) => [sha256, Buffer.from(content).toString()]));
}

describe('a row gives its OTLP record back', () => {
  it('for every span', () => {
    fc.assert(
      fc.property(otlpSpan, otlpResource, otlpScope, (span, resource, scope) => {
        const scopeSpans = [{ ...scope, spans: [span] }];
        const records = decodeJson('traces', { resourceSpans: [{ ...resource, scopeSpans }] });
        const [record] = records.spans;
        if (record === undefined) throw new Error('no row');
        const row = JSON.parse(SPAN_ROWS.json(record)) as SpanRow;
        const events = (span as { events?: Json[] }).events?.map(sortedAttributes);
        expect(spanOf(row, blobTexts(records))).toEqual({
          ...sortedAttributes<Json>(span),
          ...(events && { events }),
        });
        expect(row.resource).toEqual(resource);
        expect(row.scope).toEqual(scope);
      }),
      { numRuns: 500 },
    );
  });

  it('for every log record', () => {
    fc.assert(
      fc.property(otlpLogRecord, otlpResource, otlpScope, (log, resource, scope) => {
        const scopeLogs = [{ ...scope, logRecords: [log] }];
        const [record] = decodeJson('logs', { resourceLogs: [{ ...resource, scopeLogs }] }).logs;
        if (record === undefined) throw new Error('no row');
        const row = JSON.parse(LOG_ROWS.json(record)) as LogRow;
        expect(logRecordOf(row)).toEqual(sortedAttributes(log));
        expect(row.resource).toEqual(resource);
        expect(row.scope).toEqual(scope);
      }),
      { numRuns: 500 },
    );
  });

  it('for every point of every kind of metric', () => {
    fc.assert(
      fc.property(otlpMetric, otlpResource, otlpScope, (metric, resource, scope) => {
        const scopeMetrics = [{ ...scope, metrics: [metric] }];
        const records = decodeJson('metrics', { resourceMetrics: [{ ...resource, scopeMetrics }] }).metrics;
        const rows = Array.from(records, record => JSON.parse(METRIC_ROWS.json(record)) as MetricRow);
        expect(rows.map(metricOf)).toEqual(onePointEach(metric));
        for (const row of rows) {
          expect(row.resource).toEqual(resource);
          expect(row.scope).toEqual(scope);
        }
      }),
      { numRuns: 500 },
    );
  });
});

function onePointEach(metric: Json): Json[] {
  const kind = DATA_MEMBERS.find(member => member in metric) as string;
  const data = metric[kind] as { dataPoints: Json[] };
  return data.dataPoints.map(point => ({
    ...metric,
    [kind]: { ...data, dataPoints: [sortedAttributes(point)] },
  }));
}
