import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAllowedFunctions } from '../../src/shard/sql/functions.ts';
import { VIEWS } from '../../src/shard/sql/guard.ts';
import { parseQuery } from '../../src/shard/sql/parse.ts';
import { openSqlSite, SECRET, type SqlSite } from '../support/sql-site.ts';

let site: SqlSite;
let connection: DuckDBConnection;
/** Has tables of the names of the views, so that what they are made of is not named as well. */
let catalog: DuckDBConnection;
let functions: ReadonlySet<string>;

beforeAll(async () => {
  site = await openSqlSite();
  connection = await site.database.connect();
  functions = await loadAllowedFunctions(connection);
  catalog = await (await DuckDBInstance.create(':memory:')).connect();
  for (const view of VIEWS) await catalog.run(`CREATE TABLE ${view} (x INTEGER)`);
});

afterAll(async () => {
  catalog.closeSync();
  connection.closeSync();
  await site.remove();
});

const ALLOWED = [
  'WITH a AS ( SELECT * FROM logs ) SELECT * FROM a',
  'SELECT * FROM ( WITH a AS ( SELECT 1 ) SELECT * FROM a ) t , spans',
  "SELECT service , count ( * ) FROM spans WHERE status = 'error' GROUP BY service ORDER BY 2 DESC LIMIT 3",
  'WITH a AS ( SELECT * FROM logs ) , b AS ( SELECT * FROM a ) SELECT * FROM b , a LIMIT 1',
  'WITH RECURSIVE a AS ( SELECT 1 AS x UNION ALL SELECT x + 1 FROM a WHERE x < 5 ) SELECT * FROM a',
  "SELECT * FROM spans s JOIN sources USING ( source ) , json_each ( s . attributes ) e WHERE e . key = 'n'",
  'SELECT ( SELECT max ( value ) FROM metrics ) , EXISTS ( FROM trace_comments ) FROM range ( 2 ) t ( i )',
  'SELECT sum ( duration_ms ) OVER ( PARTITION BY service ORDER BY start_ns ) FROM spans QUALIFY row_number ( ) OVER ( ) = 1',
  "FROM ( PIVOT spans ON service IN ( 'svc1' ) USING count ( * ) GROUP BY kind ) UNION ALL BY NAME SELECT kind FROM spans",
  "SELECT list_transform ( [ 1 , 2 ] , x -> x + 1 ) [ 1 ] , { 'a' : 1 } . a , CASE WHEN true THEN NULL END FROM main . spans",
  'SELECT * FROM ( VALUES ( 1 ) , ( 2 ) ) v ( n ) WHERE n IN ( SELECT 1 ) ; -- end',
].map(query => query.split(' '));

const tokens = [
  ...new Set(ALLOWED.flat()),
  ...[
    'store',
    'store.spans',
    'store.blobs',
    'main.batch_ids',
    'batch_ids',
    'schema_version',
    'shard',
    'recurring',
  ],
  ...['information_schema.tables', 'sqlite_master', 'pg_catalog.pg_class', 'duckdb_views', 'temp.spans'],
  ...[
    "'file.csv'",
    '"file.csv"',
    '"SPANS"',
    'Spans',
    'duckdb_tables',
    'read_text',
    'query',
    'query_table',
    'glob',
  ],
  ...[
    "'store.blobs'",
    "'SELECT * FROM store.blobs'",
    'unnest',
    'current_setting',
    'getvariable',
    'UNPIVOT',
    'SHOW',
  ],
  ...[
    'DESCRIBE',
    'SUMMARIZE',
    'TABLE',
    'LATERAL',
    'AT',
    'MATERIALIZED',
    'RECURSIVE',
    'WITH',
    'FROM',
    'x',
    '.',
    ';',
  ],
  ...[
    'INSERT',
    'INTO',
    'DELETE',
    'SET',
    'COPY',
    'TO',
    'ATTACH',
    'PRAGMA',
    'EXPLAIN',
    '/*',
    '*/',
    '--',
    '\n',
    "'",
    '"',
    '$$',
  ],
];

const TABLES = ['spans', 'logs', 'metrics', 'sources', 'trace_comments', 'a', 'b'];

const OTHER_TABLES = ['batch_ids', 'store.batch_ids', 'store.blobs', "'file.csv'", 'duckdb_views()', 'x'];

function renamed(word: string): fc.Arbitrary<string> {
  if (!TABLES.includes(word)) return fc.constant(word);
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(word) },
    { weight: 2, arbitrary: fc.constantFrom('a', 'b', 'spans') },
    { weight: 1, arbitrary: fc.constantFrom(...OTHER_TABLES) },
  );
}

/** An allowed query with some of its words changed, dropped, doubled, or replaced by a part of another one. */
const mutant = fc
  .tuple(
    fc.constantFrom(...ALLOWED),
    fc.array(
      fc.record({
        at: fc.nat(40),
        dropped: fc.nat(4),
        inserted: fc.oneof(
          { weight: 3, arbitrary: fc.array(fc.constantFrom(...tokens), { maxLength: 3 }) },
          fc
            .tuple(fc.constantFrom(...ALLOWED), fc.nat(20), fc.nat(12))
            .map(([query, from, length]) => query.slice(from, from + length)),
          fc.constantFrom(...ALLOWED).map(query => ['(', ...query, ')']),
        ),
      }),
      { maxLength: 3 },
    ),
  )
  .chain(([query, edits]) =>
    fc.tuple(
      // Every name for another one: in the scope of a common table expression, and out of it.
      fc.oneof(fc.constant(query), { weight: 2, arbitrary: fc.tuple(...query.map(renamed)) }),
      fc.constantFrom([], edits),
    ),
  )
  .map(([query, edits]) => {
    const words = [...query];
    for (const { at, dropped, inserted } of edits)
      words.splice(at % (words.length + 1), dropped, ...inserted);
    return words.join(' ');
  });

describe('D23: of random queries', () => {
  it('none that is let through names a table other than the views, as DuckDB itself understands it', async () => {
    let allowed = 0;
    await fc.assert(
      fc.asyncProperty(mutant, async query => {
        const parsed = await parseQuery(connection, query, { functions, rows: 10 });
        if (parsed.kind === 'refused') return;
        allowed++;
        expect(tablesOf(parsed.sql).filter(name => !READABLE.has(name))).toEqual([]);
      }),
      { numRuns: 2000 },
    );
    // Else this would test nothing.
    expect(allowed).toBeGreaterThan(100);
  });

  it('none gives away what other tables hold', async () => {
    await fc.assert(
      fc.asyncProperty(mutant, async query => {
        const outcome = await site.sql.run(query, new AbortController().signal);
        expect(JSON.stringify(outcome)).not.toContain(SECRET);
      }),
      { numRuns: 500 },
    );
  });
});

const READABLE: ReadonlySet<string> = new Set(VIEWS.flatMap(view => [view, `main.${view}`]));

/** What DuckDB's binder would look up in its catalog or on disk: common table expressions are not among them. */
function tablesOf(sql: string): readonly string[] {
  const names = catalog.getTableNames(sql, true);
  return names.map(name =>
    name
      .replace(/ AS .*$/, '')
      .replaceAll('"', '')
      .toLowerCase(),
  );
}
