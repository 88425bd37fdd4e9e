import type { AppendedTable, Appender } from './append.ts';
import { appendSpans, type SpansOfCommit, sourceId } from './append-spans.ts';
import { boolean, double, enumeration, ubigint, uhugeint, uinteger, varchar } from './columns.ts';
import {
  type CommentRecord,
  type LogRecord,
  METRIC_TYPES,
  type MetricRecord,
  SEVERITIES,
  type Source,
  type SpanWord,
} from './tables.ts';
import { orderByTrace, type TraceOrder } from './trace-order.ts';

/** Rows of one commit. */
export interface CommitRows extends Omit<SpansOfCommit, 'order'> {
  readonly logs: readonly LogRecord[];
  readonly metrics: readonly MetricRecord[];
  readonly comments: readonly CommentRecord[];
  readonly spanWords: readonly SpanWord[];
  readonly logWords: readonly string[];
}

export async function appendRecords(appender: Appender, rows: CommitRows): Promise<void> {
  const order = orderByTrace(rows.lists);
  await appendSpans(appender, { ...rows, order });
  await appender.append(traceCommitsTable(rows), order.traces);
  await appender.append(logsTable(rows), rows.logs);
  await appender.append(metricsTable(rows), rows.metrics);
  await appender.append(commentsTable(rows), rows.comments);
  await appender.append(spanWordsTable(rows), rows.spanWords);
  await appender.append(logWordsTable(rows), rows.logWords);
}

function traceCommitsTable({ commitNo }: CommitRows): AppendedTable<TraceOrder['traces'][number]> {
  return {
    table: 'trace_commits',
    columns: [ubigint(trace => trace.key), ubigint(() => commitNo), boolean(trace => trace.repeats)],
  };
}

function sourceColumn<Row extends { readonly source: Source }>({ sourceIds }: CommitRows) {
  return uinteger<Row>(({ source }) => sourceId(sourceIds, source));
}

function logsTable(rows: CommitRows): AppendedTable<LogRecord> {
  return {
    table: 'logs',
    columns: [
      ubigint(log => log.timeNs),
      ubigint(log => log.observedNs),
      uhugeint(log => log.traceId),
      ubigint(log => log.spanId),
      enumeration(SEVERITIES, log => log.severity),
      varchar(log => log.severityText),
      varchar(log => log.body),
      varchar(log => log.bodySha256),
      varchar(log => log.service),
      varchar(log => log.attributes),
      varchar(log => log.otlp),
      sourceColumn(rows),
      ubigint(log => log.tie),
      ubigint(() => rows.commitNo),
    ],
  };
}

function metricsTable(rows: CommitRows): AppendedTable<MetricRecord> {
  return {
    table: 'metrics',
    columns: [
      ubigint(metric => metric.timeNs),
      varchar(metric => metric.service),
      varchar(metric => metric.name),
      enumeration(METRIC_TYPES, metric => metric.metricType),
      double(metric => metric.value),
      varchar(metric => metric.unit),
      varchar(metric => metric.attributes),
      varchar(metric => metric.otlp),
      sourceColumn(rows),
      ubigint(metric => metric.tie),
      ubigint(() => rows.commitNo),
    ],
  };
}

function commentsTable({ commitNo }: CommitRows): AppendedTable<CommentRecord> {
  return {
    table: 'comments',
    columns: [
      varchar(comment => comment.id),
      varchar(comment => comment.traceId),
      varchar(comment => comment.spanId),
      varchar(comment => comment.author),
      varchar(comment => comment.body),
      ubigint(comment => comment.createdNs),
      ubigint(() => commitNo),
    ],
  };
}

function spanWordsTable({ commitNo }: CommitRows): AppendedTable<SpanWord> {
  return {
    table: 'span_words',
    columns: [varchar(({ word }) => word), uhugeint(({ traceId }) => traceId), ubigint(() => commitNo)],
  };
}

function logWordsTable({ commitNo }: CommitRows): AppendedTable<string> {
  return { table: 'log_words', columns: [varchar(word => word), ubigint(() => commitNo)] };
}
