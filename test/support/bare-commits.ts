import type { DuckDBConnection } from '@duckdb/node-api';
import type { AtCommit } from '../../src/shard/reads/service-counts.ts';
import type { Database } from '../../src/shard/store/database.ts';

/** A span of which only this matters. */
export interface BareSpan {
  readonly traceId?: number;
  readonly spanId?: number;
  readonly service?: string;
  readonly startNs?: number;
  readonly durationNs?: number;
  readonly status?: 'ok' | 'error';
  readonly attributes?: Readonly<Record<string, unknown>>;
}

/** The tables of spans as commits leave them, without a writer: many commits in little time. */
export interface BareCommits {
  /** The last one. */
  readonly last: number;
  /** The last one that retention has deleted. */
  readonly floor: number;
  add(spans: readonly BareSpan[]): Promise<void>;
  /** Deletes all but the last so many, in a commit of its own. */
  retain(keep: number): Promise<void>;
  /** Replaces spans that meet a condition by one, in a commit of its own. */
  replace(condition: string, by: BareSpan): Promise<void>;
}

const TABLES = ['spans', 'trace_commits', 'commits'] as const;

/** Begins with none. */
export async function bareCommits(connection: DuckDBConnection): Promise<BareCommits> {
  for (const table of [...TABLES, 'floors', 'service_totals'])
    await connection.run(`DELETE FROM store.${table}`);
  let last = 0;
  let floor = 0;

  async function insert(table: string, rows: readonly string[]): Promise<void> {
    if (rows.length > 0) await connection.run(`INSERT INTO store.${table} VALUES ${rows.join(', ')}`);
  }

  async function add(spans: readonly BareSpan[]): Promise<void> {
    last++;
    await insert(
      'spans',
      spans.map(({ traceId = 1, spanId = 1, service = 'shop', startNs = 1, durationNs = 1, ...span }) => {
        const { status = 'ok', attributes = {} } = span;
        return `(${traceId}, 0, ${spanId}, 0, '${service}', 'op', ${startNs}, ${durationNs}, '${status}', 'internal',
          '${JSON.stringify(attributes)}', NULL, NULL, NULL, 1, ${last}, NULL)`;
      }),
    );
    const traceIds = new Set(spans.map(({ traceId = 1 }) => traceId));
    await insert(
      'trace_commits',
      Array.from(traceIds, traceId => `(${traceId}, ${last}, false)`),
    );
    const latestNs = spans.length === 0 ? 'NULL' : Math.max(...spans.map(({ startNs = 1 }) => startNs));
    await insert('commits', [`(${last}, 0, ${spans.length}, 0, 0, ${latestNs}, NULL, NULL)`]);
  }

  return {
    get last() {
      return last;
    },
    get floor() {
      return floor;
    },
    add,
    async retain(keep) {
      floor = Math.max(floor, last - keep);
      await insert('floors', [`(${last + 1}, ${floor}, 1, 1, 1, 1)`]);
      for (const table of TABLES)
        await connection.run(`DELETE FROM store.${table} WHERE commit_no <= ${floor}`);
      await add([]);
    },
    async replace(condition, by) {
      await add([by]);
      await connection.run(
        `UPDATE store.spans SET replaced_at = ${last}
         WHERE commit_no < ${last} AND replaced_at IS NULL AND ${condition}`,
      );
    },
  };
}

export interface Transaction extends AtCommit {
  /** The last commit that retention had deleted when it began. */
  readonly floor: number;
}

/** A transaction at the last of the commits, which ends with its connection. */
export async function beginAt(
  database: Pick<Database, 'connect'>,
  { last, floor }: Pick<BareCommits, 'last' | 'floor'>,
): Promise<Transaction> {
  const connection = await database.connect();
  // What it sees is settled by its first query.
  await connection.run('BEGIN TRANSACTION READ ONLY; SELECT count(*) FROM store.commits');
  return { connection, asOf: BigInt(last), floor };
}
