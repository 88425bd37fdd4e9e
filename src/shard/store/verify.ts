import type { DuckDBConnection } from '@duckdb/node-api';
import type { Hash } from '../../shared/topology/hash.ts';
import { firstLine } from './instance.ts';
import { remedyOf } from './shortage.ts';
import { strayTraces } from './verify-traces.ts';

export interface Check {
  /** What was looked at, in a few words. */
  readonly name: string;
  /** `note` is worth knowing and no damage; `not made` for want of memory or room on the disk. */
  readonly result: 'ok' | 'note' | 'damaged' | 'not made';
  readonly detail: string;
}

export interface VerifyParts {
  readonly connection: DuckDBConnection;
  readonly hash: Hash;
  /** Called before each check with its name. */
  readonly onProgress: (name: string) => void;
}

interface Finding {
  readonly result: Check['result'];
  readonly detail: string;
}

type Look = (parts: VerifyParts) => Promise<Finding>;

const TABLES = ['spans', 'logs', 'metrics'] as const;

/**
 * Checks what a shard's tables say about each other. A check that cannot be made because its blocks cannot be read
 * counts as damage. Whatever comes of one, the others go on.
 */
export async function verifyStore(parts: VerifyParts): Promise<Check[]> {
  const checks: Check[] = [];
  for (const [name, look] of Object.entries(CHECKS)) {
    parts.onProgress(name);
    checks.push({ name, ...(await look(parts).catch(notChecked)) });
  }
  return checks;
}

function notChecked(error: unknown): Finding {
  const reason = `cannot be checked: ${firstLine(error)}`;
  const remedy = remedyOf(error);
  if (remedy !== undefined) return { result: 'not made', detail: `${reason}; ${remedy}` };
  return { result: 'damaged', detail: reason };
}

/** As `hashKey` makes it: the first half of the hash. */
const KEY_OF_SHA256 = `((('0x' || sha256[1:16])::UBIGINT::UHUGEINT << 64) + ('0x' || sha256[17:32])::UBIGINT)`;

const CHECKS: Readonly<Record<string, Look>> = {
  'every block is readable': async ({ connection }) => {
    const tables = await connection.runAndReadAll(
      "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store' ORDER BY table_name",
    );
    let rows = 0;
    for (const [table] of tables.getRows()) {
      // DuckDB checks a block's checksum when it reads it; hashing whole rows makes it read every column.
      const result = await connection.runAndReadAll(
        `SELECT count(*), bit_xor(hash(stored)) FROM store."${String(table)}" stored`,
      );
      rows += Number(result.getRows()[0]?.[0]);
    }
    return { result: 'ok', detail: `${rows} rows in ${tables.currentRowCount} tables` };
  },
  'commits have their rows': async ({ connection }) => {
    const wrong = await count(
      connection,
      `SELECT count(*) FROM store.commits
       ${TABLES.map(
         table => `FULL JOIN (SELECT commit_no, count(*) AS ${table} FROM store.${table} GROUP BY commit_no) AS ${table}_of
           USING (commit_no)`,
       ).join('\n')}
       WHERE ${TABLES.map(
         table => `commits.${table} IS DISTINCT FROM coalesce(${table}_of.${table}, 0)`,
       ).join(' OR ')}`,
    );
    const [commits, missing] = await row(
      connection,
      `SELECT count(*), (SELECT last_commit::BIGINT - floor_commit::BIGINT FROM store.shard_state) - count(*)
       FROM store.commits`,
    );
    if (wrong === 0 && missing === 0) return { result: 'ok', detail: `${commits} commits` };
    return {
      result: 'damaged',
      detail: `${wrong} of ${commits} commits have more or fewer rows than they stored, ${missing} are missing`,
    };
  },
  'traces are found by their id': async ({ connection, hash }) => {
    const { traces, unlisted, empty } = await strayTraces(connection, hash);
    if (unlisted === 0 && empty === 0) return { result: 'ok', detail: `${traces} traces in their commits` };
    return {
      result: 'damaged',
      detail: `of ${traces} traces in their commits ${unlisted} are not listed and ${empty} are listed without spans`,
    };
  },
  'blobs are what they are called': async ({ connection }) => {
    const [blobs, wrong, twice] = await row(
      connection,
      `SELECT count(*), count(*) FILTER (sha256(content) <> sha256 OR hash_key <> ${KEY_OF_SHA256}), count(*) - count(DISTINCT sha256)
       FROM store.blobs`,
    );
    if (wrong === 0 && twice === 0) return { result: 'ok', detail: `${blobs} blobs` };
    return {
      result: 'damaged',
      detail: `${wrong} of ${blobs} blobs have another hash than their name or key, ${twice} are stored twice`,
    };
  },
  'blobs that rows name are there': async ({ connection }) => {
    const [named, missing] = await row(
      connection,
      `WITH named AS (
         SELECT body_sha256 AS sha256 FROM store.logs WHERE body_sha256 IS NOT NULL
         UNION SELECT llm->>'$.prompt_sha256' FROM store.spans WHERE llm IS NOT NULL
         UNION SELECT llm->>'$.completion_sha256' FROM store.spans WHERE llm IS NOT NULL
       )
       SELECT count(*), count(*) FILTER (sha256 NOT IN (SELECT sha256 FROM store.blobs))
       FROM named WHERE sha256 IS NOT NULL`,
    );
    return missing === 0
      ? { result: 'ok', detail: `${named} named` }
      : { result: 'damaged', detail: `${missing} of ${named} are missing` };
  },
  'resources and scopes are there': async ({ connection }) => {
    const [named, missing, unused] = await row(
      connection,
      `WITH named AS (${TABLES.map(table => `SELECT source FROM store.${table}`).join(' UNION ')})
       SELECT
         (SELECT count(*) FROM named),
         (SELECT count(*) FROM named WHERE source NOT IN (SELECT id FROM store.sources)),
         (SELECT count(*) FROM store.sources WHERE id NOT IN (SELECT source FROM named))`,
    );
    return missing === 0
      ? { result: 'ok', detail: `${named} in use, ${unused} not` }
      : { result: 'damaged', detail: `${missing} of ${named} that rows name are missing` };
  },
  'stored counts of services are right': async ({ connection }) => {
    // Retention may have deleted commits since they were counted.
    const [counts, wrong] = await row(
      connection,
      `WITH stored AS (
         SELECT service, sum(spans) AS spans, sum(errors) AS errors, sum(duration_ns) AS duration_ns, sum(traces) AS traces,
           min(shortest_ns) AS shortest_ns, max(longest_ns) AS longest_ns
         FROM store.service_totals GROUP BY service HAVING sum(spans) > 0
       ), counted AS (
         SELECT service, count(*) AS spans, count(*) FILTER (status = 'error') AS errors,
           sum(duration_ns) AS duration_ns, count(DISTINCT trace_id) AS traces, min(duration_ns), max(duration_ns)
         FROM store.spans, (SELECT max(counted_at) AS counted_at FROM store.service_totals)
         WHERE commit_no <= counted_at AND (replaced_at IS NULL OR replaced_at > counted_at)
         GROUP BY GROUPING SETS ((service), ()) HAVING count(*) > 0
       )
       SELECT (SELECT count(service) FROM stored),
         (SELECT count(*) FROM ((FROM stored EXCEPT FROM counted) UNION (FROM counted EXCEPT FROM stored)))
       WHERE (SELECT floor_commit FROM store.shard_state) <= (SELECT min(after_commit) FROM store.service_totals)`,
    );
    if (counts === undefined) return { result: 'ok', detail: 'none to compare' };
    return wrong === 0
      ? { result: 'ok', detail: `${counts} services` }
      : { result: 'damaged', detail: `those of ${counts} services are others than those of their spans` };
  },
  'spans are stored once': async ({ connection }) => {
    const more = await count(
      connection,
      `SELECT count(*) - count(DISTINCT (trace_id, span_id)) FROM store.spans WHERE replaced_at IS NULL`,
    );
    return more === 0
      ? { result: 'ok', detail: 'each' }
      : {
          result: 'note',
          detail: `${more} more rows than spans: exported again outside the repeat window; aggregates count them`,
        };
  },
};

async function row(connection: DuckDBConnection, sql: string): Promise<number[]> {
  const result = await connection.runAndReadAll(sql);
  return (result.getRows()[0] ?? []).map(Number);
}

async function count(connection: DuckDBConnection, sql: string): Promise<number> {
  return (await row(connection, sql))[0] ?? 0;
}
