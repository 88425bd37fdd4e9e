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
    columnCount: 17,
    write(columns, at, span) {
      columns[0]?.setItem(at, span.traceId);
      columns[1]?.setItem(at, span.slot);
      columns[2]?.setItem(at, span.spanId);
      columns[3]?.setItem(at, span.parentSpanId);
      columns[4]?.setItem(at, span.service);
      columns[5]?.setItem(at, span.operation);
      columns[6]?.setItem(at, span.startNs);
      columns[7]?.setItem(at, span.durationNs);
      columns[8]?.setItem(at, span.status);
      columns[9]?.setItem(at, span.kind);
      columns[10]?.setItem(at, span.attributes);
      columns[11]?.setItem(at, span.events);
      columns[12]?.setItem(at, span.llm);
      columns[13]?.setItem(at, span.otlp);
      columns[14]?.setItem(at, sourceId(rows, span.source));
      columns[15]?.setItem(at, commitNo);
      columns[16]?.setItem(at, replacedSpans.has(span) ? commitNo : null);
    },
  };
}

type TraceOfCommit = readonly [traceKey: bigint, spans: readonly SpanRecord[]];

function traceCommitsTable({ commitNo }: CommitRows): AppendedTable<TraceOfCommit> {
  return {
    table: 'trace_commits',
    columnCount: 3,
    write(columns, at, [traceKey, spans]) {
      columns[0]?.setItem(at, traceKey);
      columns[1]?.setItem(at, commitNo);
      columns[2]?.setItem(at, hasSpanTwice(spans));
    },
  };
}

/** Only then, and when a trace is in several commits, readers have to look for the last one of a span. */
function hasSpanTwice(spans: readonly SpanRecord[]): boolean {
  return spans.length > 1 && new Set(spans.map(span => span.spanId)).size < spans.length;
}

function logsTable(rows: CommitRows): AppendedTable<LogRecord> {
  return {
    table: 'logs',
    columnCount: 14,
    write(columns, at, log) {
      columns[0]?.setItem(at, log.timeNs);
      columns[1]?.setItem(at, log.observedNs);
      columns[2]?.setItem(at, log.traceId);
      columns[3]?.setItem(at, log.spanId);
      columns[4]?.setItem(at, log.severity);
      columns[5]?.setItem(at, log.severityText);
      columns[6]?.setItem(at, log.body);
      columns[7]?.setItem(at, log.bodySha256);
      columns[8]?.setItem(at, log.service);
      columns[9]?.setItem(at, log.attributes);
      columns[10]?.setItem(at, log.otlp);
      columns[11]?.setItem(at, sourceId(rows, log.source));
      columns[12]?.setItem(at, log.tie);
      columns[13]?.setItem(at, rows.commitNo);
    },
  };
}

function metricsTable(rows: CommitRows): AppendedTable<MetricRecord> {
  return {
    table: 'metrics',
    columnCount: 11,
    write(columns, at, metric) {
      columns[0]?.setItem(at, metric.timeNs);
      columns[1]?.setItem(at, metric.service);
      columns[2]?.setItem(at, metric.name);
      columns[3]?.setItem(at, metric.metricType);
      columns[4]?.setItem(at, metric.value);
      columns[5]?.setItem(at, metric.unit);
      columns[6]?.setItem(at, metric.attributes);
      columns[7]?.setItem(at, metric.otlp);
      columns[8]?.setItem(at, sourceId(rows, metric.source));
      columns[9]?.setItem(at, metric.tie);
      columns[10]?.setItem(at, rows.commitNo);
    },
  };
}

function commentsTable({ commitNo }: CommitRows): AppendedTable<CommentRecord> {
  return {
    table: 'comments',
    columnCount: 7,
    write(columns, at, comment) {
      columns[0]?.setItem(at, comment.id);
      columns[1]?.setItem(at, comment.traceId);
      columns[2]?.setItem(at, comment.spanId);
      columns[3]?.setItem(at, comment.author);
      columns[4]?.setItem(at, comment.body);
      columns[5]?.setItem(at, comment.createdNs);
      columns[6]?.setItem(at, commitNo);
    },
  };
}

function spanWordsTable({ commitNo }: CommitRows): AppendedTable<SpanWord> {
  return {
    table: 'span_words',
    columnCount: 3,
    write(columns, at, { word, traceId }) {
      columns[0]?.setItem(at, word);
      columns[1]?.setItem(at, traceId);
      columns[2]?.setItem(at, commitNo);
    },
  };
}

function logWordsTable({ commitNo }: CommitRows): AppendedTable<string> {
  return {
    table: 'log_words',
    columnCount: 2,
    write(columns, at, word) {
      columns[0]?.setItem(at, word);
      columns[1]?.setItem(at, commitNo);
    },
  };
}
