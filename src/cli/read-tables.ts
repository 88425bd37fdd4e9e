import { styleText } from 'node:util';
import type { LogRow, MetricRow, SpanRow } from '../shared/read/model.ts';
import { type SeriesRow, type SqlRow, seriesTable, sqlTable } from './question-tables.ts';
import { spanTree, type TreeRow } from './span-tree.ts';
import { type Column, renderTable } from './table.ts';

interface Paint {
  readonly color: boolean;
}

interface ServiceRow {
  readonly name: string;
  readonly span_count: number;
  readonly trace_count: number;
  readonly avg_duration_ms: number;
  readonly error_rate: number;
}

/** The answers that have a table; told apart by the member that holds their rows. */
export interface ReadAnswer {
  readonly services?: readonly ServiceRow[];
  readonly trace_id?: string;
  readonly spans?: readonly SpanRow[];
  readonly logs?: readonly LogRow[];
  readonly metrics?: readonly MetricRow[];
  readonly series?: readonly SeriesRow[];
  readonly rows?: readonly SqlRow[];
}

/** The answer of a read as a table, or `undefined` when there is none for it. */
export function tableOf(answer: ReadAnswer, paint: Paint): string | undefined {
  if (answer.services !== undefined)
    return show('services', { columns: serviceColumns(paint), rows: answer.services, paint });
  if (answer.logs !== undefined)
    return show('logs', { columns: logColumns(paint), rows: answer.logs, paint });
  if (answer.metrics !== undefined)
    return show('metrics', { columns: METRIC_COLUMNS, rows: answer.metrics, paint });
  const title = (text: string) => dress(text, 'bold', paint);
  if (answer.series !== undefined) return seriesTable(answer.series, title);
  if (answer.rows !== undefined) return sqlTable(answer.rows, title);
  if (answer.spans === undefined) return undefined;
  return answer.trace_id === undefined
    ? show('spans', { columns: spanColumns(paint), rows: answer.spans, paint })
    : show('spans', { columns: treeColumns(paint), rows: spanTree(answer.spans), paint });
}

interface ShowOptions<Row> {
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly paint: Paint;
}

function show<Row>(what: string, { columns, rows, paint }: ShowOptions<Row>): string {
  if (rows.length === 0) return `no ${what}\n`;
  return renderTable({ columns, rows, styleTitle: text => dress(text, 'bold', paint) });
}

type Style = Parameters<typeof styleText>[0];

function dress(text: string, style: Style, { color }: Paint): string {
  return color ? styleText(style, text, { validateStream: false }) : text;
}

function serviceColumns(paint: Paint): Column<ServiceRow>[] {
  return [
    { title: 'SERVICE', cell: row => row.name, maxWidth: 48 },
    { title: 'SPANS', cell: row => String(row.span_count), align: 'right' },
    { title: 'TRACES', cell: row => String(row.trace_count), align: 'right' },
    { title: 'AVG', cell: row => milliseconds(row.avg_duration_ms), align: 'right' },
    {
      title: 'ERRORS',
      cell: row => `${(row.error_rate * 100).toFixed(2)}%`,
      align: 'right',
      style: (text, row) => (row.error_rate > 0 ? dress(text, 'red', paint) : text),
    },
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

function milliseconds(ms: number): string {
  return `${ms.toFixed(2)}ms`;
}

function pairs(attributes: Readonly<Record<string, string>>): string {
  return Object.entries(attributes)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

function dressStatus(text: string, { status }: SpanRow, paint: Paint): string {
  return status === 'error' ? dress(text, 'red', paint) : text;
}

function dressSeverity(text: string, { severity }: LogRow, paint: Paint): string {
  if (severity === 'error' || severity === 'fatal') return dress(text, 'red', paint);
  return severity === 'warn' ? dress(text, 'yellow', paint) : text;
}
