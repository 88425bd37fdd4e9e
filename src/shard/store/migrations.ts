import type { DuckDBConnection } from '@duckdb/node-api';
import { UnusableDataError } from './unusable-data-error.ts';

/**
 * Schema changes, oldest first; the version of a file is how many of them it has seen. A released entry is never
 * edited: data folders out there were made by it. What the columns hold is in `tables.ts`.
 *
 * Rows are stored in the order of their commits and read by it: `commit_no` is what snapshots, retention and the way
 * from a trace to its rows go by, and DuckDB skips whole row groups by its range. ENUMs are written out where they are
 * used: DuckDB cannot replay a log that creates a type in another schema than `main`. Their values are in storage
 * order and may only be added at the end.
 *
 * What a commit does all the time is to append, never to update: while reads overlap, DuckDB takes no checkpoint after
 * an update, and the WAL grows without end. So the state of the shard is the newest row of `commits` and of `floors`.
 * And no table has an index: deleting from one that has is slow, and DuckDB never gives its space back.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE SCHEMA store;
  CREATE TABLE store.commits (
    commit_no UBIGINT NOT NULL, stored_at_ms BIGINT NOT NULL,
    spans UINTEGER NOT NULL, logs UINTEGER NOT NULL, metrics UINTEGER NOT NULL,
    spans_to_ns UBIGINT, logs_to_ns UBIGINT, metrics_to_ns UBIGINT
  );
  CREATE TABLE store.floors (
    set_by_commit UBIGINT NOT NULL, floor_commit UBIGINT NOT NULL,
    spans_to_ns UBIGINT, logs_to_ns UBIGINT, metrics_to_ns UBIGINT, comments_to_ns UBIGINT
  );
  CREATE VIEW store.shard_state AS SELECT
    coalesce((SELECT commit_no FROM store.commits ORDER BY commit_no DESC LIMIT 1), 0)::UBIGINT AS last_commit,
    coalesce((SELECT max(floor_commit) FROM store.floors), 0)::UBIGINT AS floor_commit;

  CREATE TABLE store.batch_ids (id UHUGEINT NOT NULL, stored_at_ms BIGINT NOT NULL);
  CREATE TABLE store.export_ids (id UHUGEINT NOT NULL, stored_at_ms BIGINT NOT NULL);

  CREATE TABLE store.sources (id UINTEGER NOT NULL, resource VARCHAR NOT NULL, scope VARCHAR NOT NULL);

  CREATE TABLE store.spans (
    trace_id UHUGEINT NOT NULL, slot USMALLINT NOT NULL,
    span_id UBIGINT NOT NULL, parent_span_id UBIGINT NOT NULL,
    service VARCHAR NOT NULL, operation VARCHAR NOT NULL,
    start_ns UBIGINT NOT NULL, duration_ns BIGINT NOT NULL,
    status ENUM ('unset', 'ok', 'error') NOT NULL,
    kind ENUM ('internal', 'server', 'client', 'producer', 'consumer', 'llm') NOT NULL,
    attributes VARCHAR NOT NULL USING COMPRESSION zstd,
    events VARCHAR, llm VARCHAR, otlp VARCHAR,
    source UINTEGER NOT NULL, commit_no UBIGINT NOT NULL, replaced_at UBIGINT
  );
  CREATE TABLE store.trace_commits (
    trace_key UBIGINT NOT NULL, commit_no UBIGINT NOT NULL, repeats BOOLEAN NOT NULL
  );
  CREATE TABLE store.logs (
    time_ns UBIGINT NOT NULL, observed_ns UBIGINT NOT NULL,
    trace_id UHUGEINT NOT NULL, span_id UBIGINT NOT NULL,
    severity ENUM ('unspecified', 'trace', 'debug', 'info', 'warn', 'error', 'fatal') NOT NULL,
    severity_text VARCHAR NOT NULL,
    body VARCHAR NOT NULL USING COMPRESSION zstd, body_sha256 VARCHAR,
    service VARCHAR NOT NULL, attributes VARCHAR NOT NULL USING COMPRESSION zstd, otlp VARCHAR,
    source UINTEGER NOT NULL, tie UBIGINT NOT NULL, commit_no UBIGINT NOT NULL
  );
  CREATE TABLE store.metrics (
    time_ns UBIGINT NOT NULL, service VARCHAR NOT NULL, name VARCHAR NOT NULL,
    metric_type ENUM ('gauge', 'sum', 'histogram', 'summary', 'unknown') NOT NULL, value DOUBLE, unit VARCHAR NOT NULL,
    attributes VARCHAR NOT NULL USING COMPRESSION zstd, otlp VARCHAR,
    source UINTEGER NOT NULL, tie UBIGINT NOT NULL, commit_no UBIGINT NOT NULL
  );

  CREATE TABLE store.span_words (word VARCHAR NOT NULL, trace_id UHUGEINT NOT NULL, commit_no UBIGINT NOT NULL);
  CREATE TABLE store.log_words (word VARCHAR NOT NULL, commit_no UBIGINT NOT NULL);
  CREATE TABLE store.blobs (
    hash_key UHUGEINT NOT NULL, sha256 VARCHAR NOT NULL, content BLOB NOT NULL,
    size_bytes UINTEGER NOT NULL, last_commit UBIGINT NOT NULL, pinned_until_ms BIGINT
  );
  CREATE TABLE store.comments (
    id VARCHAR NOT NULL, trace_id VARCHAR NOT NULL, span_id VARCHAR,
    author VARCHAR NOT NULL, body VARCHAR NOT NULL, created_ns UBIGINT NOT NULL, commit_no UBIGINT NOT NULL
  );

  -- What analysts see (docs/DATA-MODEL.md). No joins: with one, the newest N rows of a view are read from all of it.
  CREATE MACRO store.trace_id_text(id) AS
    CASE WHEN id <> 0 THEN lower(lpad(to_hex(id), 32, '0')) END;
  CREATE MACRO store.span_id_text(id) AS
    CASE WHEN id <> 0 THEN lower(lpad(to_hex(id), 16, '0')) END;
  CREATE MACRO store.time_of(ns) AS make_timestamp((ns // 1000)::BIGINT);
  -- The sum of start and duration need not fit 64 bits; in parts it does, and rounds down like a start.
  CREATE MACRO store.end_of(ns, duration) AS make_timestamp(
    (ns // 1000)::BIGINT + duration // 1000 + ((ns % 1000)::BIGINT + duration % 1000 + 1000) // 1000 - 1
  );
  CREATE VIEW spans AS SELECT
    store.trace_id_text(trace_id) AS trace_id, store.span_id_text(span_id) AS span_id,
    store.span_id_text(parent_span_id) AS parent_span_id, service, operation,
    store.time_of(start_ns) AS start_time, store.end_of(start_ns, duration_ns) AS end_time,
    duration_ns / 1e6 AS duration_ms, status::VARCHAR AS status, attributes::JSON AS attributes,
    coalesce(events, '[]')::JSON AS events, kind::VARCHAR AS kind, llm::JSON AS llm,
    start_ns, duration_ns, otlp::JSON AS otlp, source, commit_no
  FROM store.spans WHERE replaced_at IS NULL;
  CREATE VIEW logs AS SELECT
    store.time_of(time_ns) AS timestamp, store.time_of(observed_ns) AS observed_timestamp,
    store.trace_id_text(trace_id) AS trace_id, store.span_id_text(span_id) AS span_id,
    severity::VARCHAR AS severity, severity_text, body, service, attributes::JSON AS attributes, body_sha256,
    time_ns, observed_ns, otlp::JSON AS otlp, source, commit_no
  FROM store.logs;
  CREATE VIEW metrics AS SELECT
    store.time_of(time_ns) AS timestamp, service, name, metric_type::VARCHAR AS metric_type, value, unit,
    attributes::JSON AS attributes, time_ns, otlp::JSON AS otlp, source, commit_no
  FROM store.metrics;
  CREATE VIEW trace_comments AS SELECT
    id, trace_id, span_id, author, body, store.time_of(created_ns) AS created_at, created_ns, commit_no
  FROM store.comments;
  CREATE VIEW sources AS SELECT id AS source, resource::JSON AS resource, scope::JSON AS scope FROM store.sources;
  `,
  `
  CREATE TABLE store.kept_answers (
    id VARCHAR NOT NULL, fingerprint VARCHAR NOT NULL, answer VARCHAR NOT NULL, stored_at_ms BIGINT NOT NULL
  );
  `,
  // What services had when the shard was last stopped, which takes seconds to count over many millions of spans.
  `
  CREATE TABLE store.service_totals (
    counted_at UBIGINT NOT NULL, after_commit UBIGINT NOT NULL, up_to_commit UBIGINT NOT NULL, service VARCHAR NOT NULL,
    spans UBIGINT NOT NULL, errors UBIGINT NOT NULL, duration_ns HUGEINT NOT NULL, traces UBIGINT NOT NULL
  );
  `,
  // Counted anew, with what all services have together (no service) and the shortest and longest of their durations.
  `
  DROP TABLE store.service_totals;
  CREATE TABLE store.service_totals (
    counted_at UBIGINT NOT NULL, after_commit UBIGINT NOT NULL, up_to_commit UBIGINT NOT NULL, service VARCHAR,
    spans UBIGINT NOT NULL, errors UBIGINT NOT NULL, duration_ns HUGEINT NOT NULL, traces UBIGINT NOT NULL,
    shortest_ns BIGINT, longest_ns BIGINT
  );
  `,
];

/**
 * Brings a database to the current schema, each step in a transaction of its own. Nobody else may be connected yet.
 * @param steps the product's own but in tests
 * @throws UnusableDataError when the file is newer than us
 */
export async function migrate(
  connection: DuckDBConnection,
  path: string,
  steps: readonly string[] = MIGRATIONS,
): Promise<void> {
  const version = await schemaVersion(connection);
  if (version > steps.length) {
    throw new UnusableDataError(
      `${path} has schema version ${version}; this otelfan knows up to ${steps.length}: run a newer one`,
    );
  }
  if (version === steps.length) return;
  // With this threshold COMMIT writes the database file and not the WAL. DuckDB cannot replay every DDL statement from
  // a WAL (of a type in a schema, for one), and a process that was killed here would leave a folder that never opens.
  const threshold = await connection.runAndReadAll("SELECT current_setting('checkpoint_threshold')");
  await connection.run("SET checkpoint_threshold = '0B'");
  for (const [index, sql] of steps.slice(version).entries()) {
    await connection.run('BEGIN');
    await connection.run(sql);
    await connection.run('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)');
    await connection.run('DELETE FROM schema_version');
    await connection.run(`INSERT INTO schema_version VALUES (${version + index + 1})`);
    await connection.run('COMMIT');
  }
  await connection.run(`SET checkpoint_threshold = '${String(threshold.getRows()[0]?.[0])}'`);
}

/** How many steps a database has seen; 0 for an empty one. */
export async function schemaVersion(connection: DuckDBConnection): Promise<number> {
  const tables = await connection.runAndReadAll(
    "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'main' AND table_name = 'schema_version'",
  );
  if (tables.currentRowCount === 0) return 0;
  const versions = await connection.runAndReadAll('SELECT max(version) FROM schema_version');
  return Number(versions.getRows()[0]?.[0]);
}

/** The version that {@link migrate} makes. */
export const SCHEMA_VERSION = MIGRATIONS.length;
