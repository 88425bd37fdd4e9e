import { dress, errorRate, milliseconds, type Paint, show } from './paint.ts';
import type { Column } from './table.ts';

/** Read API contract §1.4. */
export interface SummaryAnswer {
  readonly traces: TraceFigures;
  readonly top_services: readonly TopService[];
  readonly top_error_operations: readonly ErrorOperation[];
  readonly logs: Readonly<Record<'total' | 'error' | 'warn' | 'info' | 'debug', number>>;
  readonly metrics: { readonly point_count: number; readonly unique_names: number };
}

interface TraceFigures {
  readonly span_count: number;
  readonly trace_count: number;
  readonly error_rate: number;
  readonly avg_ms: number;
  readonly max_ms: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
}

interface TopService {
  readonly service: string;
  readonly span_count: number;
  readonly error_rate: number;
  readonly p95_ms: number;
}

interface ErrorOperation {
  readonly service: string;
  readonly operation: string;
  readonly error_count: number;
}

export interface AnomaliesAnswer {
  readonly anomalies: readonly AnomalyRow[];
}

interface AnomalyRow {
  readonly service: string;
  readonly kind: string;
  readonly severity: string;
  readonly description: string;
}

/** One table for each part of the summary. */
export function summaryTables(answer: SummaryAnswer, paint: Paint): string {
  const { traces, top_services, top_error_operations, logs, metrics } = answer;
  return [
    show('spans', { columns: traceColumns(paint), rows: [traces], paint }),
    show('services', { columns: topServiceColumns(paint), rows: top_services, paint }),
    show('failing operations', { columns: ERROR_OPERATION_COLUMNS, rows: top_error_operations, paint }),
    show('log records', { columns: LOG_COUNT_COLUMNS, rows: [logs], paint }),
    show('metric points', { columns: METRIC_COUNT_COLUMNS, rows: [metrics], paint }),
  ].join('\n');
}

export function anomaliesTable({ anomalies }: AnomaliesAnswer, paint: Paint): string {
  return show('anomalies', { columns: anomalyColumns(paint), rows: anomalies, paint });
}

function traceColumns(paint: Paint): Column<TraceFigures>[] {
  return [
    count('SPANS', row => row.span_count),
    count('TRACES', row => row.trace_count),
    errorRate(paint),
    duration('AVG', row => row.avg_ms),
    duration('P50', row => row.p50_ms),
    duration('P95', row => row.p95_ms),
    duration('P99', row => row.p99_ms),
    duration('MAX', row => row.max_ms),
  ];
}

function topServiceColumns(paint: Paint): Column<TopService>[] {
  return [
    { title: 'SERVICE', cell: row => row.service, maxWidth: 48 },
    count('SPANS', row => row.span_count),
    errorRate(paint),
    duration('P95', row => row.p95_ms),
  ];
}

const ERROR_OPERATION_COLUMNS: readonly Column<ErrorOperation>[] = [
  { title: 'SERVICE', cell: row => row.service, maxWidth: 32 },
  { title: 'OPERATION', cell: row => row.operation, maxWidth: 72 },
  count('ERRORS', row => row.error_count),
];

const LOG_COUNT_COLUMNS: readonly Column<SummaryAnswer['logs']>[] = [
  count('LOGS', row => row.total),
  count('ERROR', row => row.error),
  count('WARN', row => row.warn),
  count('INFO', row => row.info),
  count('DEBUG', row => row.debug),
];

const METRIC_COUNT_COLUMNS: readonly Column<SummaryAnswer['metrics']>[] = [
  count('METRIC POINTS', row => row.point_count),
  count('NAMES', row => row.unique_names),
];

function anomalyColumns(paint: Paint): Column<AnomalyRow>[] {
  const styles = new Map([
    ['critical', 'red'],
    ['warning', 'yellow'],
  ] as const);
  return [
    {
      title: 'SEVERITY',
      cell: row => row.severity,
      style: (text, row) => {
        const style = styles.get(row.severity as 'critical' | 'warning');
        return style === undefined ? text : dress(text, style, paint);
      },
    },
    { title: 'SERVICE', cell: row => row.service, maxWidth: 48 },
    { title: 'KIND', cell: row => row.kind },
    { title: 'WHAT', cell: row => row.description },
  ];
}

function count<Row>(title: string, of: (row: Row) => number): Column<Row> {
  return { title, cell: row => String(of(row)), align: 'right' };
}

function duration<Row>(title: string, of: (row: Row) => number): Column<Row> {
  return { title, cell: row => milliseconds(of(row)), align: 'right' };
}
