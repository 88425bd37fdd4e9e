import type { DuckDBAppender, DuckDBValue } from '@duckdb/node-api';

/**
 * The columns of what a shard stores, in storage order. Times and durations are integer nanoseconds. `attributes`,
 * `events`, `llm`, `otlp`, `resource` and `scope` are JSON texts that reads pass on as they are; an absent text is
 * the empty string, so that every column that is ordered or compared is without NULL.
 *
 * Every table also has `commit_no` (the shard's commit that stored the row) and `ordinal` (its place in the commit).
 * The SQL that creates the tables is in `migrations.ts`.
 */
export const TABLES = {
  spans: {
    trace_id: 'VARCHAR',
    span_id: 'VARCHAR',
    parent_span_id: 'VARCHAR',
    service: 'VARCHAR',
    operation: 'VARCHAR',
    start_ns: 'UBIGINT',
    end_ns: 'UBIGINT',
    /** HUGEINT, because end - start of two unsigned 64-bit times needs 65 bits. */
    duration_ns: 'HUGEINT',
    status: 'VARCHAR',
    kind: 'VARCHAR',
    attributes: 'VARCHAR',
    events: 'VARCHAR',
    llm: 'VARCHAR',
    otlp: 'VARCHAR',
    resource: 'VARCHAR',
    scope: 'VARCHAR',
  },
  logs: {
    time_ns: 'UBIGINT',
    observed_ns: 'UBIGINT',
    trace_id: 'VARCHAR',
    span_id: 'VARCHAR',
    severity: 'VARCHAR',
    severity_text: 'VARCHAR',
    body: 'VARCHAR',
    service: 'VARCHAR',
    attributes: 'VARCHAR',
    otlp: 'VARCHAR',
    resource: 'VARCHAR',
    scope: 'VARCHAR',
    tie: 'VARCHAR',
  },
  metrics: {
    time_ns: 'UBIGINT',
    service: 'VARCHAR',
    name: 'VARCHAR',
    metric_type: 'VARCHAR',
    /** NULL for a point that was exported without a value. */
    value: 'DOUBLE',
    unit: 'VARCHAR',
    attributes: 'VARCHAR',
    otlp: 'VARCHAR',
    resource: 'VARCHAR',
    scope: 'VARCHAR',
    tie: 'VARCHAR',
  },
  /** Words of prompts and completions, for text search: each once per trace and slice. */
  text_words: {
    word: 'VARCHAR',
    trace_id: 'VARCHAR',
  },
} as const satisfies Record<string, Columns>;

export type TableName = keyof typeof TABLES;
export const TABLE_NAMES = Object.keys(TABLES) as readonly TableName[];

type ColumnType = 'VARCHAR' | 'UBIGINT' | 'HUGEINT' | 'DOUBLE';
type Columns = Readonly<Record<string, ColumnType>>;
type ValueOf<T extends ColumnType> = T extends 'VARCHAR'
  ? string
  : T extends 'DOUBLE'
    ? number | null
    : bigint;

export type RecordOf<T extends TableName> = {
  readonly [C in keyof (typeof TABLES)[T]]: (typeof TABLES)[T][C] extends ColumnType
    ? ValueOf<(typeof TABLES)[T][C]>
    : never;
};

export type SpanRecord = RecordOf<'spans'>;
export type LogRecord = RecordOf<'logs'>;
export type MetricRecord = RecordOf<'metrics'>;

/** Rows for every table; what one slice or one transaction stores. */
export type Records = { readonly [T in TableName]: RecordOf<T>[] };

export function emptyRecords(): Records {
  return { spans: [], logs: [], metrics: [], text_words: [] };
}

interface CommitPlace {
  readonly commitNo: bigint;
  readonly ordinal: number;
}

export function appendRecord(
  appender: DuckDBAppender,
  table: TableName,
  { record, commitNo, ordinal }: CommitPlace & { readonly record: RecordOf<TableName> },
): void {
  const values = record as Readonly<Record<string, unknown>>;
  for (const [column, type] of Object.entries<ColumnType>(TABLES[table]))
    appendValue(appender, type, values[column]);
  appender.appendUBigInt(commitNo);
  appender.appendUInteger(ordinal);
  appender.endRow();
}

function appendValue(appender: DuckDBAppender, type: ColumnType, value: unknown): void {
  switch (type) {
    case 'VARCHAR':
      appender.appendVarchar(value as string);
      return;
    case 'UBIGINT':
      appender.appendUBigInt(value as bigint);
      return;
    case 'HUGEINT':
      appender.appendHugeInt(value as bigint);
      return;
    case 'DOUBLE':
      if (value === null) appender.appendNull();
      else appender.appendDouble(value as number);
      return;
  }
}

/** The select list that {@link recordOf} reads. */
export function columnList(table: TableName): string {
  return Object.keys(TABLES[table]).join(', ');
}

/** A result row that begins with the columns of {@link columnList}, as DuckDB's `getRows` gives it. */
export function recordOf<T extends TableName>(table: T, row: readonly DuckDBValue[]): RecordOf<T> {
  return Object.fromEntries(
    Object.keys(TABLES[table]).map((column, index) => [column, row[index]]),
  ) as RecordOf<T>;
}
