import {
  BIGINT,
  type DuckDBConnection,
  type DuckDBType,
  type DuckDBValue,
  LIST,
  listValue,
  UBIGINT,
  UHUGEINT,
  USMALLINT,
  VARCHAR,
} from '@duckdb/node-api';

/** What aggregates look at; the rest of a stored span is empty. */
export interface StoredSpan {
  readonly traceId: bigint;
  readonly slot: number;
  readonly service: string;
  readonly operation: string;
  readonly status: 'unset' | 'ok' | 'error';
  readonly startNs: bigint;
  readonly durationNs: bigint;
  readonly commitNo: bigint;
  readonly replacedAt: bigint | null;
}

const COLUMNS: { readonly [Column in keyof StoredSpan]: readonly [name: string, type: DuckDBType] } = {
  traceId: ['trace_id', UHUGEINT],
  slot: ['slot', USMALLINT],
  service: ['service', VARCHAR],
  operation: ['operation', VARCHAR],
  status: ['status', VARCHAR],
  startNs: ['start_ns', UBIGINT],
  durationNs: ['duration_ns', BIGINT],
  commitNo: ['commit_no', UBIGINT],
  replacedAt: ['replaced_at', UBIGINT],
};

/** Puts spans into the table past the writer, in place of all that were there, and makes `lastCommit` the last one. */
export async function replaceAllSpans(
  connection: DuckDBConnection,
  spans: readonly StoredSpan[],
  lastCommit: bigint,
): Promise<void> {
  await connection.run('BEGIN');
  await connection.run('DELETE FROM store.spans');
  const columns = Object.entries(COLUMNS) as [keyof StoredSpan, readonly [string, DuckDBType]][];
  const names = columns.map(([, [name]]) => name).join(', ');
  await connection.run(
    `INSERT INTO store.spans (${names}, span_id, parent_span_id, kind, attributes, source)
     SELECT ${columns.map((_, index) => `unnest($${index + 1})`).join(', ')}, 1, 0, 'internal', '{}', 1`,
    columns.map(([member]) => listValue(spans.map(span => span[member] as DuckDBValue))),
    columns.map(([, [, type]]) => LIST(type)),
  );
  await connection.run('DELETE FROM store.commits');
  await connection.run(
    `INSERT INTO store.commits (commit_no, stored_at_ms, spans, logs, metrics) VALUES (${lastCommit}, 0, 0, 0, 0)`,
  );
  await connection.run('COMMIT');
}
