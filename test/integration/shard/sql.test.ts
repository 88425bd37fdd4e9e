import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderRows } from '../../../src/shard/sql/cells.ts';
import type { SqlAnswer } from '../../../src/shared/read/sql.ts';
import { openSqlSite, SECRET, type SqlSite } from '../../support/sql-site.ts';

let site: SqlSite;

beforeAll(async () => {
  site = await openSqlSite({ limits: { maxRows: 30, maxAnswerBytes: 20_000 } });
});

afterAll(() => site.remove());

const signal = new AbortController().signal;

async function answer(query: string): Promise<SqlAnswer> {
  const outcome = await site.sql.run(query, signal);
  if (outcome.kind !== 'answer') throw new Error(JSON.stringify(outcome));
  return JSON.parse(outcome.json) as SqlAnswer;
}

describe('SQL of a shard', () => {
  it('selects from every view', async () => {
    const counts = await site.rows(`
      SELECT (SELECT count(*) FROM spans) AS spans, (SELECT count(*) FROM main.logs) AS logs,
        (SELECT count(*) FROM METRICS) AS metrics, (SELECT count(*) FROM "trace_comments") AS comments,
        (SELECT count(*) FROM sources) AS sources
    `);
    expect(counts).toEqual([{ spans: 99, logs: 20, metrics: 20, comments: 1, sources: 2 }]);
  });

  it.each([
    'SELECT service, count(*) FILTER (WHERE status = \'error\') AS "errors""?" FROM spans GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL',
    'WITH a AS MATERIALIZED (SELECT 1 AS x), b(y) AS (SELECT x + 1 FROM a) SELECT * FROM a, b',
    'WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM a WHERE x < 5) SELECT sum(x) FROM a',
    'WITH spans AS (SELECT 1 AS x) SELECT * FROM spans',
    'WITH a AS (SELECT * FROM spans) SELECT * FROM (WITH b AS (SELECT * FROM a) SELECT * FROM b, a LIMIT 1)',
    'SELECT quantile_cont(duration_ms, [0.5, 0.95]) FROM spans',
    "SELECT s.operation, e.key FROM spans s, json_each(s.attributes) e WHERE (s.attributes->>'n') = '7'",
    'SELECT *, row_number() OVER (PARTITION BY service ORDER BY start_ns) AS n FROM spans QUALIFY n = 1',
    "SELECT time_bucket(INTERVAL '5 minutes', start_time) AS t, count(*) FROM spans GROUP BY t",
    "SELECT list_transform([1, 2], x -> x + 1), {'a': 1}.a, MAP {'k': 1}, [x * 2 FOR x IN [1, 2] IF x > 1]",
    'SELECT * FROM spans a ASOF JOIN logs b ON a.start_ns >= b.time_ns LIMIT 2',
    "SELECT * FROM (PIVOT spans ON service IN ('svc1', 'svc2') USING count(*) GROUP BY kind)",
    'FROM range(3) t(i) SELECT i, i::DECIMAL(5, 2) UNION ALL SELECT 1, 2 EXCEPT SELECT 7, 8 ORDER BY 1',
    'SELECT TRY(CAST(service AS INTEGER)), service COLLATE NOCASE FROM spans USING SAMPLE 5 ROWS',
    'VALUES (1), (2)',
    'SELECT max(start_time) > now() - INTERVAL 1 HOUR FROM spans -- a comment',
    'SELECT 1 /* ; SELECT 2 */ ; ;',
    'SELECT (WITH a AS (SELECT 1 AS x) SELECT x FROM a), EXISTS (FROM logs), 3 > ANY (SELECT value FROM metrics)',
  ])('allows %s', async query => {
    await answer(query);
  });

  it('gives cells as the contract says: numbers of 64 bits bare, everything beyond JSON as text', async () => {
    const outcome = await site.sql.run(
      `SELECT NULL AS n, true AS b, 1::TINYINT AS i, 9223372036854775807 AS big, 18446744073709551615::UBIGINT AS ubig,
         1::HUGEINT AS huge, 1.5::DECIMAL(4,2) AS dec, 0.1::DOUBLE AS d, 'nan'::DOUBLE AS nan, '-inf'::FLOAT AS inf,
         'a"b' AS t, TIMESTAMP '2024-01-02 03:04:05.000006' AS ts, [1, 2] AS l, {'a': 1} AS s, DATE '2024-01-02' AS day,
         attributes AS j, status AS e, INTERVAL 90 MINUTE AS iv FROM spans ORDER BY start_ns LIMIT 1`,
      signal,
    );
    expect(outcome).toEqual({
      kind: 'answer',
      json: `{"rows":[{"n":null,"b":true,"i":1,"big":9223372036854775807,"ubig":18446744073709551615,"huge":"1","dec":"1.50","d":0.1,"nan":null,"inf":null,"t":"a\\"b","ts":"2024-01-02 03:04:05.000006","l":"[1, 2]","s":"{'a': 1}","day":"2024-01-02","j":"{\\"http.method\\":\\"GET\\",\\"n\\":0}","e":"error","iv":"01:30:00"}],"count":1,"truncated":false}`,
    });
  });

  it('keeps columns of the same name apart', async () => {
    expect(await site.rows('SELECT 1 AS a, 2 AS a')).toEqual([{ a: 1, a_1: 2 }]);
  });

  it('keeps the order of a query whose rows it cuts, and says that it cut', async () => {
    const whole = await answer('SELECT range AS i FROM range(30) ORDER BY i DESC');
    expect([whole.count, whole.truncated]).toEqual([30, false]);
    const cut = await answer('SELECT range AS i FROM range(100000) ORDER BY i DESC');
    expect([cut.count, cut.truncated, cut.rows[0]]).toEqual([30, true, { i: 99_999 }]);
  });

  it('cuts an answer of too many bytes, and says so', async () => {
    const cut = await answer(
      "SELECT concat(list('0123456789')::VARCHAR, i) AS t FROM range(500), range(5) t(i) GROUP BY i",
    );
    expect([cut.count, cut.truncated]).toEqual([3, true]);
  });

  it('gives nested values in the words of DuckDB, whatever the columns are called', async () => {
    const [row] =
      await site.rows(`SELECT ['a', 'b c', NULL] AS "l""'", {'a': 'x', 'b': [{'c': 1.5::DOUBLE}]} AS s,
      MAP {'k': [1]} AS "new\nline", row(1, 'x') AS r, [1, 2]::INTEGER[2] AS a, union_value(u := [1]) AS u, NULL::INTEGER[] AS n,
      '\\xAAb'::BLOB AS b, '0101'::BIT AS bit, 'v'::VARIANT AS v, 'POINT(1 2)'::GEOMETRY AS g, 7 AS "c0", [8] AS "C0"`);
    expect(row).toEqual({
      'l"\'': '[a, b c, NULL]',
      s: "{'a': x, 'b': [{'c': 1.5}]}",
      'new\nline': '{k=[1]}',
      r: '(1, x)',
      a: '[1, 2]',
      u: '[1]',
      n: null,
      b: '\\xAAb',
      bit: '0101',
      v: 'v',
      g: 'POINT (1 2)',
      c0: 7,
      C0_1: '[8]',
    });
  });

  it.each([
    ['a list', 'SELECT list(i) AS "big ""one""" FROM range(6000) t(i)'],
    ['a struct with a list in it', 'SELECT {\'a\': [list(i)]} AS "big ""one""" FROM range(6000) t(i)'],
    ['a map', 'SELECT map_from_entries(list({k: i, v: i})) AS "big ""one""" FROM range(6000) t(i)'],
    ['a text', 'SELECT string_agg(i::VARCHAR, \'\') AS "big ""one""" FROM range(6000) t(i)'],
    ['bytes', 'SELECT unhex(string_agg(\'00\', \'\')) AS "big ""one""" FROM range(6000) t(i)'],
  ])('refuses %s that is too large, naming the column and the setting', async (_what, query) => {
    const reason = await site.refusal(`SELECT 1, * FROM (${query})`);
    expect(reason).toContain('a value of column "big \\"one\\"" has more than 20000 bytes as text');
    expect(reason).toContain('shard.maxAnswerBytes');
  });

  it('lets other work have its turn while it renders the rows of a chunk', async () => {
    const connection = await site.database.connect();
    const result = await connection.run(
      "SELECT array_to_string(list('0123456789'), '') || i AS t FROM range(800), range(1000) t(i) GROUP BY i",
    );
    connection.closeSync();
    expect(result.chunkCount).toBe(1);
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const { rows } = await renderRows(result, { maxRows: 1000, maxChars: 2 ** 30 });
    isDone = true;
    expect(rows).toHaveLength(1000);
    // 8 MB, a quarter of a MiB at once.
    expect(turns).toBeGreaterThan(20);
  });

  it("tells DuckDB's complaint about a query in one line", async () => {
    expect(await site.refusal('SELECT nosuch FROM spans')).toBe(
      'Binder Error: Referenced column "nosuch" not found in FROM clause!',
    );
    expect(await site.refusal('SELEC 1')).toBe('Parser Error: syntax error at or near "SELEC"');
    expect(await site.refusal("SELECT 'x'::INTEGER")).toMatch(/^Conversion Error: [^\n]*$/);
  });
});

const HOSTILE: readonly (readonly [query: string, refusal: RegExp])[] = [
  ["SELECT * FROM 'FILE'", /^table .* is not one of/],
  ['SELECT * FROM "FILE"', /^table .* is not one of/],
  ["FROM read_text('FILE')", /^function read_text is not allowed/],
  ["FROM READ_CSV_AUTO(['FILE'])", /^function read_csv_auto is not allowed/],
  ["FROM read_blob('FILE'), spans", /^function read_blob is not allowed/],
  ["FROM read_json_objects('FILE')", /is not allowed/],
  ["FROM sniff_csv('FILE')", /is not allowed/],
  ["FROM glob('*')", /is not allowed/],
  ["FROM parquet_metadata('FILE')", /is not allowed/],
  ["SELECT * FROM spans WHERE service IN (FROM 'FILE')", /^table/],
  ["SELECT (SELECT count(*) FROM read_text('FILE'))", /is not allowed/],
  ['SELECT * FROM spans s, LATERAL (SELECT * FROM read_text(s.service))', /is not allowed/],
  ["WITH a AS (FROM read_text('FILE')) SELECT * FROM a", /is not allowed/],
  ['WITH "FILE" AS (FROM "FILE") FROM "FILE"', /^table/],
  ['SELECT * FROM (WITH "FILE" AS (SELECT 1) FROM "FILE") a, "FILE" b', /^table/],
  ["SELECT * FROM spans ORDER BY (SELECT content FROM read_text('FILE'))", /is not allowed/],
  ["SELECT * FROM spans LIMIT (SELECT size FROM read_text('FILE'))", /is not allowed/],
  ["SELECT 1 UNION ALL SELECT content FROM read_text('FILE')", /is not allowed/],
  ["SELECT sum(1) OVER (ORDER BY (SELECT 1 FROM read_text('FILE')))", /is not allowed/],
  ["SELECT list_transform([1], x -> (SELECT content FROM read_text('FILE')))", /is not allowed/],
  ["SELECT count(*) FILTER (WHERE EXISTS (FROM read_text('FILE')))", /is not allowed/],
  ["FROM range((SELECT size FROM read_text('FILE')))", /is not allowed/],
  ["FROM (PIVOT read_text('FILE') ON filename USING count(*))", /only a SELECT|is not allowed/],
  ['WITH "duc\u212Adb_databases" AS (SELECT 1) FROM duckdb_databases', /^table duckdb_databases/],
  ['SELECT * FROM store.spans', /^table store.spans is not one of/],
  ['SELECT * FROM "store"."blobs"', /^table store.blobs/],
  ['SELECT * FROM shard.store.blobs', /^table shard.store.blobs/],
  ['SELECT * FROM shard.main.spans', /^table shard.main.spans/],
  ['SELECT * FROM batch_ids', /^table batch_ids/],
  ['SELECT * FROM schema_version', /^table schema_version/],
  ['SELECT * FROM information_schema.tables', /^table information_schema.tables/],
  ['SELECT * FROM pg_catalog.pg_class', /^table/],
  ['SELECT * FROM pg_tables', /^table/],
  ['SELECT * FROM sqlite_master', /^table sqlite_master/],
  ['SELECT * FROM duckdb_tables', /^table/],
  ['FROM duckdb_settings()', /^function duckdb_settings/],
  ['FROM duckdb_secrets()', /is not allowed/],
  ['FROM pragma_database_size()', /is not allowed/],
  ["FROM pragma_table_info('store.blobs')", /is not allowed/],
  ["FROM query('SELECT * FROM store.blobs')", /^function query is not allowed/],
  ["FROM query_table('store.blobs')", /^function query_table/],
  ["FROM query_table(['spans', 'batch_ids'])", /^function query_table/],
  ["FROM histogram('store.blobs', sha256)", /^function histogram/],
  ["FROM seq_scan('store.blobs')", /is not allowed/],
  ["FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))", /is not allowed/],
  ["SELECT json_serialize_plan('SELECT * FROM store.blobs')", /is not allowed/],
  ["SELECT getenv('HOME')", /^function getenv/],
  ["SELECT main.getenv('HOME')", /^function getenv/],
  ["SELECT ('HOME').getenv()", /^function getenv/],
  ['SELECT "current_setting"(\'temp_directory\')', /^function current_setting/],
  ["SELECT CURRENT_SETTING('temp_directory')", /^function current_setting/],
  ["SELECT write_log('x')", /^function write_log/],
  ["SELECT nextval('s')", /^function nextval/],
  ['SELECT setseed(0.5)', /^function setseed/],
  ['SELECT system.main.abs(1)', /is not allowed/],
  ['SELECT store.trace_id_text(1)', /is not allowed/],
  ['SELECT pg_sleep(100)', /^function pg_sleep/],
  ['SELECT sleep_ms(100000)', /is not allowed/],
  ["SELECT repeat('x', 4000000000)", /^function repeat/],
  ['SELECT lpad(service, 2000000000, service) FROM spans', /^function lpad/],
  ['SELECT len(range(4000000000))', /^function range/],
  ['SELECT list_resize([1], 4000000000)', /^function list_resize/],
  ["ATTACH 'FILE' AS x", /only a SELECT/],
  ["COPY (SELECT 1) TO 'FILE'", /only a SELECT/],
  ["COPY spans FROM 'FILE'", /only a SELECT/],
  ["EXPORT DATABASE 'FILE'", /only a SELECT/],
  ['INSTALL httpfs', /only a SELECT/],
  ['LOAD httpfs', /only a SELECT/],
  ['PRAGMA database_list', /only a SELECT|is not allowed/],
  ['PRAGMA show_tables', /only a SELECT|is not allowed/],
  ['SET threads = 1', /only a SELECT/],
  ['RESET threads', /only a SELECT/],
  ['CALL duckdb_settings()', /only a SELECT/],
  ['CHECKPOINT', /only a SELECT/],
  ['VACUUM', /only a SELECT/],
  ['BEGIN', /only a SELECT/],
  ['COMMIT', /only a SELECT/],
  ['USE store', /only a SELECT/],
  ['PREPARE p AS SELECT 1', /only a SELECT/],
  ['EXECUTE p', /only a SELECT/],
  ['EXPLAIN SELECT 1', /only a SELECT/],
  ['EXPLAIN ANALYZE SELECT 1', /only a SELECT/],
  ['CREATE TEMP TABLE x AS SELECT 1', /only a SELECT/],
  ["CREATE MACRO f() AS TABLE FROM read_text('FILE')", /only a SELECT/],
  ['DROP VIEW spans', /only a SELECT/],
  ['DELETE FROM store.spans', /only a SELECT/],
  ['WITH a AS (DELETE FROM store.spans RETURNING *) SELECT * FROM a', /^Parser Error/],
  ['SELECT 1 AS x INTO y', /^Parser Error: SELECT INTO/],
  ['SHOW TABLES', /is not allowed/],
  ['SHOW ALL TABLES', /is not allowed/],
  ['DESCRIBE spans', /is not allowed/],
  ['DESCRIBE store.blobs', /is not allowed/],
  ['SUMMARIZE spans', /is not allowed/],
  ['SELECT * FROM (SHOW TABLES)', /is not allowed/],
  ['SELECT * FROM (DESCRIBE store.blobs)', /is not allowed/],
  ['SELECT 1; SELECT 2', /^expected one SELECT statement, got 2/],
  ['SELECT 1; DROP VIEW spans', /only a SELECT/],
  ['SELECT 1;\n-- x\nDELETE FROM store.spans', /only a SELECT/],
  ['SELECT 1 /* ; */; SET threads = 1', /only a SELECT/],
  ['', /^expected one SELECT statement, got 0/],
  [' ;; ', /got 0/],
  ['-- SELECT 1', /got 0/],
  ['SELECT 1 /*', /^Parser Error/],
  ['SELECT 1\0; DROP VIEW spans', /NUL/],
  ['SELECT 1) UNION ALL (SELECT 2', /^Parser Error/],
  ["SELECT 1) t, read_text('FILE') --", /^Parser Error/],
  ['SELECT $1', /^parameter is not allowed/],
  ['SELECT ?', /^parameter is not allowed/],
  ['SELECT * FROM spans AT (VERSION => 1)', /^table/],
  ['SELECT * FROM recurring.a', /^table recurring.a/],
  [`SELECT ${'['.repeat(2000)}${']'.repeat(2000)}`, /depth limit|nested too deeply/],
  [`SELECT ${'('.repeat(49_000)}1${')'.repeat(49_000)}`, /^Parser Error: memory exhausted/],
  [`SELECT 1${'+1'.repeat(49_000)}`, /depth limit/],
];

describe('D23: SQL reads nothing but the views', () => {
  let file: string;

  beforeAll(async () => {
    file = join(site.dataDir, 'secret.csv');
    await writeFile(file, `${SECRET}\n${SECRET}\n`);
  });

  it('refuses a long run of semicolons at once', async () => {
    const start = performance.now();
    expect(await site.refusal(`${';'.repeat(99_000)}x`)).toMatch(/^Parser Error/);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it.each(HOSTILE)('%j is refused', async (query, refusal) => {
    const reason = await site.refusal(query.replaceAll('FILE', file));
    expect(reason).toMatch(refusal);
    expect(reason).not.toContain(SECRET);
  });

  it('whatever the guard would let through, the database itself has no way to files, settings and code', async () => {
    const connection = await site.database.connect();
    try {
      await connection.run('BEGIN TRANSACTION READ ONLY');
      for (const sql of [
        `FROM '${file}'`,
        `FROM read_text('${file}')`,
        `ATTACH '${file}.db' AS x`,
        `COPY (SELECT 1) TO '${file}'`,
        'INSTALL httpfs',
        'SET threads = 2',
        'SET enable_external_access = true',
        'SET lock_configuration = false',
        'RESET memory_limit',
        'DELETE FROM store.spans',
      ]) {
        await expect(connection.run(sql), sql).rejects.toThrow(
          /file system operations are disabled|configuration has been locked|read-only|disabled by configuration/,
        );
        await connection.run('ROLLBACK');
        await connection.run('BEGIN TRANSACTION READ ONLY');
      }
    } finally {
      connection.closeSync();
    }
  });
});
