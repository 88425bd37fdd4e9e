import type { DuckDBConnection } from '@duckdb/node-api';
import { UnusableDataError } from './unusable-data-error.ts';

/**
 * Schema changes, oldest first; the version of a file is how many of them it has seen. A released entry is never
 * edited: data folders out there were made by it.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE shard_state (last_commit UBIGINT NOT NULL);
  INSERT INTO shard_state VALUES (0);

  CREATE TABLE batch_ids (id VARCHAR PRIMARY KEY, stored_at_ms BIGINT NOT NULL);
  CREATE TABLE export_ids (id VARCHAR PRIMARY KEY, stored_at_ms BIGINT NOT NULL);

  CREATE TABLE spans (
    trace_id VARCHAR NOT NULL, span_id VARCHAR NOT NULL, parent_span_id VARCHAR NOT NULL,
    service VARCHAR NOT NULL, operation VARCHAR NOT NULL,
    start_ns UBIGINT NOT NULL, end_ns UBIGINT NOT NULL, duration_ns HUGEINT NOT NULL,
    status VARCHAR NOT NULL, kind VARCHAR NOT NULL,
    attributes VARCHAR NOT NULL, events VARCHAR NOT NULL, llm VARCHAR NOT NULL,
    otlp VARCHAR NOT NULL, resource VARCHAR NOT NULL, scope VARCHAR NOT NULL,
    commit_no UBIGINT NOT NULL, ordinal UINTEGER NOT NULL
  );
  CREATE TABLE logs (
    time_ns UBIGINT NOT NULL, observed_ns UBIGINT NOT NULL,
    trace_id VARCHAR NOT NULL, span_id VARCHAR NOT NULL,
    severity VARCHAR NOT NULL, severity_text VARCHAR NOT NULL, body VARCHAR NOT NULL,
    service VARCHAR NOT NULL, attributes VARCHAR NOT NULL,
    otlp VARCHAR NOT NULL, resource VARCHAR NOT NULL, scope VARCHAR NOT NULL, tie VARCHAR NOT NULL,
    commit_no UBIGINT NOT NULL, ordinal UINTEGER NOT NULL
  );
  CREATE TABLE metrics (
    time_ns UBIGINT NOT NULL, service VARCHAR NOT NULL, name VARCHAR NOT NULL, metric_type VARCHAR NOT NULL,
    value DOUBLE, unit VARCHAR NOT NULL, attributes VARCHAR NOT NULL,
    otlp VARCHAR NOT NULL, resource VARCHAR NOT NULL, scope VARCHAR NOT NULL, tie VARCHAR NOT NULL,
    commit_no UBIGINT NOT NULL, ordinal UINTEGER NOT NULL
  );
  CREATE TABLE text_words (
    word VARCHAR NOT NULL, trace_id VARCHAR NOT NULL,
    commit_no UBIGINT NOT NULL, ordinal UINTEGER NOT NULL
  );
  `,
];

/** Brings a database to the current schema, each step in a transaction of its own. Throws when it is newer than us. */
export async function migrate(connection: DuckDBConnection, path: string): Promise<void> {
  await connection.run('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)');
  const [row] = (
    await connection.runAndReadAll('SELECT coalesce(max(version), 0) FROM schema_version')
  ).getRows();
  const version = Number(row?.[0]);
  if (version > MIGRATIONS.length) {
    throw new UnusableDataError(
      `${path} has schema version ${version}; this otelfan knows up to ${MIGRATIONS.length}: run a newer one`,
    );
  }
  for (const [index, sql] of MIGRATIONS.slice(version).entries()) {
    await connection.run('BEGIN');
    await connection.run(sql);
    await connection.run('DELETE FROM schema_version');
    await connection.run(`INSERT INTO schema_version VALUES (${version + index + 1})`);
    await connection.run('COMMIT');
  }
}
