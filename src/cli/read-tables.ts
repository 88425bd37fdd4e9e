import type { CommentRow, LogRow, MetricRow, SpanRow } from '../shared/read/model.ts';
import { anomaliesTable, summaryTables } from './analytics-tables.ts';
import { dress, errorRate, milliseconds, type Paint, pairs, show } from './paint.ts';
import { seriesTable, sqlTable } from './question-tables.ts';
import { spanTree, type TreeRow } from './span-tree.ts';
import type { Column } from './table.ts';

interface ServiceRow {
  readonly name: string;
  readonly span_count: number;
  readonly trace_count: number;
  readonly avg_duration_ms: number;
  readonly error_rate: number;
}

interface CorrelateAnswer {
  readonly trace_id: string;
  readonly span_count: number;
  readonly services: readonly string[];
  readonly start_time: string;
  readonly duration_ms: number;
  readonly error_count: number;
  readonly logs: readonly LogRow[];
  readonly metrics: readonly MetricRow[];
}

/** An answer of the read API. */
export type ReadAnswer = Readonly<Record<string, unknown>>;

interface AnswerTable {
  /** The members that tell this answer from the ones further down. */
  readonly members: readonly string[];
  readonly render: (answer: never, paint: Paint) => string;
}

const TABLES: readonly AnswerTable[] = [
  { members: ['series'], render: seriesTable },
  { members: ['rows', 'truncated'], render: sqlTable },
  { members: ['top_services'], render: summaryTables },
  { members: ['anomalies'], render: anomaliesTable },
  { members: ['trace_id', 'logs', 'metrics'], render: correlateTables },
  {
    members: ['comments'],
    render: ({ comments: rows }: { comments: readonly CommentRow[] }, paint) =>
      show('comments', { columns: COMMENT_COLUMNS, rows, paint }),
  },
  {
    members: ['services'],
    render: ({ services: rows }: { services: readonly ServiceRow[] }, paint) =>
      show('services', { columns: serviceColumns(paint), rows, paint }),
  },
  {
    members: ['logs'],
    render: ({ logs: rows }: { logs: readonly LogRow[] }, paint) =>
      show('logs', { columns: logColumns(paint), rows, paint }),
  },
  {
    members: ['metrics'],
    render: ({ metrics: rows }: { metrics: readonly MetricRow[] }, paint) =>
      show('metrics', { columns: METRIC_COLUMNS, rows, paint }),
  },
  {
    members: ['trace_id', 'spans'],
    render: ({ spans }: { spans: readonly SpanRow[] }, paint) =>
      show('spans', { columns: treeColumns(paint), rows: spanTree(spans), paint }),
  },
  {
    members: ['spans'],
    render: ({ spans: rows }: { spans: readonly SpanRow[] }, paint) =>
      show('spans', { columns: spanColumns(paint), rows, paint }),
  },
];

/** The answer of a read as a table, or `undefined` when there is none for it. */
export function tableOf(answer: ReadAnswer, paint: Paint): string | undefined {
  const table = TABLES.find(({ members }) => members.every(member => Object.hasOwn(answer, member)));
  return table?.render(answer as never, paint);
}

function correlateTables(answer: CorrelateAnswer, paint: Paint): string {
  return [
    show('trace', { columns: CORRELATE_COLUMNS, rows: [answer], paint }),
    show('logs', { columns: logColumns(paint), rows: answer.logs, paint }),
    show('metrics', { columns: METRIC_COLUMNS, rows: answer.metrics, paint }),
  ].join('\n');
}

const CORRELATE_COLUMNS: readonly Column<CorrelateAnswer>[] = [
  { title: 'TRACE', cell: row => row.trace_id },
  { title: 'START', cell: row => row.start_time },
  { title: 'DURATION', cell: row => milliseconds(row.duration_ms), align: 'right' },
  { title: 'SPANS', cell: row => String(row.span_count), align: 'right' },
  { title: 'FAILED', cell: row => String(row.error_count), align: 'right' },
  { title: 'SERVICES', cell: row => row.services.join(' '), maxWidth: 100 },
];

const COMMENT_COLUMNS: readonly Column<CommentRow>[] = [
  { title: 'TIME', cell: row => row.created_at },
  { title: 'TRACE', cell: row => row.trace_id, maxWidth: 40 },
  { title: 'SPAN', cell: row => row.span_id ?? '' },
  { title: 'AUTHOR', cell: row => row.author, maxWidth: 32 },
  { title: 'COMMENT', cell: row => row.body, maxWidth: 100 },
];

function serviceColumns(paint: Paint): Column<ServiceRow>[] {
  return [
    { title: 'SERVICE', cell: row => row.name, maxWidth: 48 },
    { title: 'SPANS', cell: row => String(row.span_count), align: 'right' },
    { title: 'TRACES', cell: row => String(row.trace_count), align: 'right' },
    { title: 'AVG', cell: row => milliseconds(row.avg_duration_ms), align: 'right' },
    errorRate(paint),
  ];
}

function spanColumns(paint: Paint): Column<SpanRow>[] {
  return [
    { title: 'START', cell: row => row.start_time },
    { title: 'SERVICE', cell: row => row.service, maxWidth: 32 },
    { title: 'OPERATION', cell: row => row.operation, maxWidth: 48 },
    { title: 'DURATION', cell: row => milliseconds(row.duration_ms), align: 'right' },
    { title: 'STATUS', cell: row => row.status, style: (text, row) => dressStatus(text, row, paint) },
    { title: 'TRACE', cell: row => row.trace_id },
  ];
}

function treeColumns(paint: Paint): Column<TreeRow<SpanRow>>[] {
  return [
    { title: 'OPERATION', cell: ({ span, depth }) => indent(depth) + span.operation, maxWidth: 72 },
    { title: 'SERVICE', cell: ({ span }) => span.service, maxWidth: 32 },
    { title: 'START', cell: ({ span }) => span.start_time },
    { title: 'DURATION', cell: ({ span }) => milliseconds(span.duration_ms), align: 'right' },
    {
      title: 'STATUS',
      cell: ({ span }) => span.status,
      style: (text, { span }) => dressStatus(text, span, paint),
    },
    { title: 'SPAN', cell: ({ span }) => span.span_id },
  ];
}

function logColumns(paint: Paint): Column<LogRow>[] {
  return [
    { title: 'TIME', cell: row => row.timestamp },
    { title: 'SEVERITY', cell: row => row.severity, style: (text, row) => dressSeverity(text, row, paint) },
    { title: 'SERVICE', cell: row => row.service, maxWidth: 32 },
    { title: 'BODY', cell: row => row.body, maxWidth: 100 },
    { title: 'TRACE', cell: row => row.trace_id ?? '' },
  ];
}

const METRIC_COLUMNS: readonly Column<MetricRow>[] = [
  { title: 'TIME', cell: row => row.timestamp },
  { title: 'SERVICE', cell: row => row.service, maxWidth: 32 },
  { title: 'NAME', cell: row => row.name, maxWidth: 48 },
  { title: 'TYPE', cell: row => row.metric_type },
  { title: 'VALUE', cell: row => row.value_text ?? String(row.value ?? ''), align: 'right' },
  { title: 'UNIT', cell: row => row.unit, maxWidth: 16 },
  { title: 'ATTRIBUTES', cell: row => pairs(row.attributes), maxWidth: 64 },
];

/** Deeper spans stay under each other, so that their names do not leave the column. */
const MAX_INDENT = 20;

function indent(depth: number): string {
  return depth === 0 ? '' : `${'  '.repeat(Math.min(depth, MAX_INDENT) - 1)}└ `;
}

function dressStatus(text: string, { status }: SpanRow, paint: Paint): string {
  return status === 'error' ? dress(text, 'red', paint) : text;
}

function dressSeverity(text: string, { severity }: LogRow, paint: Paint): string {
  if (severity === 'error' || severity === 'fatal') return dress(text, 'red', paint);
  return severity === 'warn' ? dress(text, 'yellow', paint) : text;
}
