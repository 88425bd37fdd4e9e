import type { DuckDBConnection } from '@duckdb/node-api';
import { type AppendedTable, appendRows } from './append.ts';
import type { CommentRecord, LogRecord, MetricRecord, Source, SpanRecord, SpanWord } from './tables.ts';

/** Rows of one commit. */
export interface CommitRows {
  readonly commitNo: bigint;
  readonly sourceIds: ReadonlyMap<Source, number>;
  readonly spans: readonly SpanRecord[];
  /** Those of the spans that others of the same commit replace. */
  readonly replacedSpans: ReadonlySet<SpanRecord>;
  readonly logs: readonly LogRecord[];
  readonly metrics: readonly MetricRecord[];
  readonly comments: readonly CommentRecord[];
  readonly spanWords: readonly SpanWord[];
  readonly logWords: readonly string[];
}

export async function appendRecords(connection: DuckDBConnection, rows: CommitRows): Promise<void> {
  const byTrace = groupByTrace(rows.spans);
  await appendRows(connection, spansTable(rows), [...byTrace.values()].flat());
  await appendRows(connection, traceCommitsTable(rows), [...byTrace]);
  await appendRows(connection, logsTable(rows), rows.logs);
  await appendRows(connection, metricsTable(rows), rows.metrics);
  await appendRows(connection, commentsTable(rows), rows.comments);
  await appendRows(connection, spanWordsTable(rows), rows.spanWords);
  await appendRows(connection, logWordsTable(rows), rows.logWords);
}

/**
 * Trace by trace: runs of equal ids take next to no space. Spans of a trace keep their order, in which the last of
 * equal ones counts.
 */
function groupByTrace(spans: readonly SpanRecord[]): ReadonlyMap<bigint, readonly SpanRecord[]> {
  return Map.groupBy(spans, span => span.traceKey);
}

function sourceId({ sourceIds }: CommitRows, source: Source): number {
  const id = sourceIds.get(source);
  if (id === undefined) throw new Error('a source has no number');
  return id;
}

function spansTable(rows: CommitRows): AppendedTable<SpanRecord> {
  const { commitNo, replacedSpans } = rows;
  return {
    table: 'spans',
    columns: [
      span => span.traceId,
      span => span.slot,
      span => span.spanId,
      span => span.parentSpanId,
      span => span.service,
      span => span.operation,
      span => span.startNs,
      span => span.durationNs,
      span => span.status,
      span => span.kind,
      span => span.attributes,
      span => span.events,
      span => span.llm,
      span => span.otlp,
      span => sourceId(rows, span.source),
      () => commitNo,
      span => (replacedSpans.has(span) ? commitNo : null),
    ],
  };
}

type TraceOfCommit = readonly [traceKey: bigint, spans: readonly SpanRecord[]];

function traceCommitsTable({ commitNo }: CommitRows): AppendedTable<TraceOfCommit> {
  return {
    table: 'trace_commits',
    columns: [([traceKey]) => traceKey, () => commitNo, ([, spans]) => hasSpanTwice(spans)],
  };
}

/** Only then, and when a trace is in several commits, readers have to look for the last one of a span. */
function hasSpanTwice(spans: readonly SpanRecord[]): boolean {
  return spans.length > 1 && new Set(spans.map(span => span.spanId)).size < spans.length;
}

function logsTable(rows: CommitRows): AppendedTable<LogRecord> {
  return {
    table: 'logs',
    columns: [
      log => log.timeNs,
      log => log.observedNs,
      log => log.traceId,
      log => log.spanId,
      log => log.severity,
      log => log.severityText,
      log => log.body,
      log => log.bodySha256,
      log => log.service,
      log => log.attributes,
      log => log.otlp,
      log => sourceId(rows, log.source),
      log => log.tie,
      () => rows.commitNo,
    ],
  };
}

function metricsTable(rows: CommitRows): AppendedTable<MetricRecord> {
  return {
    table: 'metrics',
    columns: [
      metric => metric.timeNs,
      metric => metric.service,
      metric => metric.name,
      metric => metric.metricType,
      metric => metric.value,
      metric => metric.unit,
      metric => metric.attributes,
      metric => metric.otlp,
      metric => sourceId(rows, metric.source),
      metric => metric.tie,
      () => rows.commitNo,
    ],
  };
}

function commentsTable({ commitNo }: CommitRows): AppendedTable<CommentRecord> {
  return {
    table: 'comments',
    columns: [
      comment => comment.id,
      comment => comment.traceId,
      comment => comment.spanId,
      comment => comment.author,
      comment => comment.body,
      comment => comment.createdNs,
      () => commitNo,
    ],
  };
}

function spanWordsTable({ commitNo }: CommitRows): AppendedTable<SpanWord> {
  return { table: 'span_words', columns: [({ word }) => word, ({ traceId }) => traceId, () => commitNo] };
}

function logWordsTable({ commitNo }: CommitRows): AppendedTable<string> {
  return { table: 'log_words', columns: [word => word, () => commitNo] };
}
