import { pino } from 'pino';
import { createSql, type Sql, type SqlLimits, type SqlOptions } from '../../src/shard/sql/sql.ts';
import { type Database, openDatabase } from '../../src/shard/store/database.ts';
import { temporaryFolder } from './systems.ts';

/** SQL over a real database in a temporary folder, with some rows in every table. */
export interface SqlSite {
  readonly dataDir: string;
  readonly database: Database;
  readonly sql: Sql;
  /** The rows of a query that is allowed. */
  rows(query: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Why a query gives no rows. */
  refusal(query: string): Promise<string>;
  remove(): Promise<void>;
}

export const SECRET = 'not for analysts';
const MEBIBYTE = 1024 * 1024;

export async function openSqlSite(
  overrides: Partial<Omit<SqlOptions, 'limits'>> & { readonly limits?: Partial<SqlLimits> } = {},
): Promise<SqlSite> {
  const folder = await temporaryFolder();
  const database = await openDatabase({
    dataDir: folder.path,
    memoryLimitBytes: 256 * MEBIBYTE,
    threads: 1,
    openTimeoutMs: 1000,
  });
  const connection = await database.connect();
  await connection.run(ROWS);
  connection.closeSync();
  const sql = createSql({
    database,
    instanceBytes: 256 * MEBIBYTE,
    logger: pino({ level: 'silent' }),
    onStuck: reason => {
      throw new Error(reason);
    },
    ...overrides,
    limits: {
      timeoutMs: 20_000,
      maxRows: 1000,
      maxAnswerBytes: 16 * MEBIBYTE,
      memoryLimitBytes: 64 * MEBIBYTE,
      ...overrides.limits,
    },
  });
  const run = (query: string) => sql.run(query, new AbortController().signal);
  return {
    dataDir: folder.path,
    database,
    sql,
    async rows(query) {
      const outcome = await run(query);
      if (outcome.kind !== 'answer') throw new Error(`${query}: ${JSON.stringify(outcome)}`);
      return (JSON.parse(outcome.json) as { rows: Record<string, unknown>[] }).rows;
    },
    async refusal(query) {
      const outcome = await run(query);
      return outcome.kind === 'refused' ? outcome.reason : JSON.stringify(outcome);
    },
    async remove() {
      await database.stop();
      await folder.remove();
    },
  };
}

const ROWS = `
  INSERT INTO store.sources VALUES
    (0, '{"resource":{"attributes":[]}}', '{}'), (1, '{"resource":{}}', '{"scope":{"name":"lib"}}');
  INSERT INTO store.spans SELECT
    i // 5 + 1, 1, i + 1, CASE WHEN i % 5 = 0 THEN 0 ELSE i END, 'svc' || i % 3, 'op' || i % 7,
    1700000000000000000::UBIGINT + i * 1000001, i * 1000, CASE WHEN i % 10 = 0 THEN 'error' ELSE 'unset' END,
    CASE WHEN i % 2 = 0 THEN 'server' ELSE 'client' END, json_object('http.method', 'GET', 'n', i),
    NULL, NULL, NULL, i % 2, i // 20 + 1, CASE WHEN i = 99 THEN 5 END
    FROM range(100) t(i);
  INSERT INTO store.logs SELECT
    1700000000000000000::UBIGINT + i, 0, CASE WHEN i % 2 = 0 THEN i + 1 ELSE 0 END, 0, 'warn', 'WARN', 'log ' || i, NULL,
    'svc1', '{}', NULL, 0, i, 1
    FROM range(20) t(i);
  INSERT INTO store.metrics SELECT
    1700000000000000000::UBIGINT + i, 'svc2', 'requests', 'sum',
    CASE i WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN 'inf'::DOUBLE ELSE i END, '1', '{}', NULL, 0, i, 1
    FROM range(20) t(i);
  INSERT INTO store.comments VALUES ('c1', '0af7', NULL, 'ada', 'slow', 1700000000000000000, 1);
  INSERT INTO store.log_words VALUES ('${SECRET}', 1);
  INSERT INTO store.blobs (hash_key, sha256, content, size_bytes, last_commit) VALUES (1, '${SECRET}', '${SECRET}'::BLOB, 1, 1);
`;
