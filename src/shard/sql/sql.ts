import type { DuckDBConnection, DuckDBMaterializedResult } from '@duckdb/node-api';
import type { Logger } from 'pino';
import { createTurns } from '../../shared/turns.ts';
import type { Database } from '../store/database.ts';
import { withBoundedCells } from './bounded-cells.ts';
import { renderRows } from './cells.ts';
import { loadAllowedFunctions } from './functions.ts';
import { type Interruption, interruptible } from './interruptible.ts';
import { watchMemory } from './memory-watch.ts';
import { firstLine, parseQuery } from './parse.ts';

export type SqlOutcome =
  /** `SqlAnswer` in JSON. */
  | { readonly kind: 'answer'; readonly json: string }
  /** Not one allowed SELECT, or it failed, or went over a limit. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Too many wait already. */
  | { readonly kind: 'busy'; readonly reason: string }
  /** The caller went away. */
  | { readonly kind: 'abandoned' };

/** Read-only SQL over the views of docs/DATA-MODEL.md, one query at a time. */
export interface Sql {
  /** Aborting the signal ends the query. */
  run(query: string, signal: AbortSignal): Promise<SqlOutcome>;
  /** Ends the query that is running, if one is, because its memory is needed; true when there was one. */
  giveWay(): Promise<boolean>;
}

export interface SqlLimits {
  readonly timeoutMs: number;
  readonly maxRows: number;
  readonly maxAnswerBytes: number;
  /** Of a query. */
  readonly memoryLimitBytes: number;
}

export interface SqlOptions {
  readonly database: Pick<Database, 'connect' | 'connectAtOnce'>;
  readonly limits: SqlLimits;
  /** Memory limit of the whole DuckDB instance. */
  readonly instanceBytes: number;
  /**
   * The query does not end, and only the end of the process ends it. Called once per query.
   */
  readonly onStuck: (reason: string) => void;
  /** How long a query may ignore interrupts. */
  readonly patienceMs?: number;
  readonly logger: Logger;
}

/** Why a query is ended before it is through. */
type Ending = 'timeout' | 'memory' | 'writer' | 'caller';

const MAX_WAITING = 8;
const PATIENCE_MS = 10_000;

export function createSql(options: SqlOptions): Sql {
  const { database, limits, onStuck, patienceMs = PATIENCE_MS, logger } = options;
  const turns = createTurns({ running: 1, waiting: MAX_WAITING });
  let functions: ReadonlySet<string> | undefined;
  let running: { end(ending: Ending): void; readonly done: Promise<void> } | undefined;

  async function run(query: string, signal: AbortSignal): Promise<SqlOutcome> {
    const connection = await database.connect();
    try {
      await connection.run('BEGIN TRANSACTION READ ONLY');
      functions ??= await loadAllowedFunctions(connection);
      // One row more than is given tells whether there were more.
      const parsed = await parseQuery(connection, query, {
        functions,
        rows: limits.maxRows + 1,
      });
      return parsed.kind === 'refused' ? parsed : await execute(connection, parsed.sql, signal);
    } finally {
      connection.closeSync();
    }
  }

  async function execute(
    connection: DuckDBConnection,
    sql: string,
    signal: AbortSignal,
  ): Promise<SqlOutcome> {
    let ending: Ending | undefined;
    const end = (reason: Ending) => {
      ending ??= reason;
      query.interrupt();
    };
    let isStuck = false;
    const stuck = (reason: string) => {
      if (isStuck) return;
      isStuck = true;
      onStuck(reason);
    };
    const watch = await watchMemory({
      database,
      limitBytes: limits.memoryLimitBytes,
      instanceBytes: options.instanceBytes,
      onLimit: () => end('memory'),
      onRunaway: () => stuck('an SQL query takes memory that no limit of DuckDB covers'),
    });
    const work = withBoundedCells(connection, sql, limits).then(bounded => connection.run(bounded));
    const query: Interruption = interruptible(connection, work, {
      patienceMs,
      onStuck: () => stuck(`an SQL query ignores that it was interrupted ${patienceMs} ms ago`),
    });
    running = { end, done: query.done };
    const timer = setTimeout(() => end('timeout'), limits.timeoutMs);
    const abandon = () => end('caller');
    signal.addEventListener('abort', abandon, { once: true });
    if (signal.aborted) abandon();
    try {
      const result = await work;
      return ending === undefined ? await answerOf(result) : failure(undefined, ending);
    } catch (error) {
      return failure(error, ending);
    } finally {
      signal.removeEventListener('abort', abandon);
      clearTimeout(timer);
      await Promise.all([query.done, watch.stop()]);
      running = undefined;
    }
  }

  async function answerOf(result: DuckDBMaterializedResult): Promise<SqlOutcome> {
    const { maxRows, maxAnswerBytes } = limits;
    const { rows, isCut } = await renderRows(result, { maxRows, maxChars: maxAnswerBytes });
    const truncated = isCut || result.rowCount > maxRows;
    return {
      kind: 'answer',
      json: `{"rows":[${rows.join()}],"count":${rows.length},"truncated":${truncated}}`,
    };
  }

  function failure(error: unknown, ending: Ending | undefined): SqlOutcome {
    switch (ending) {
      case 'caller':
        return { kind: 'abandoned' };
      case 'timeout':
        return refused(`the query ran longer than shard.sql.timeout (${limits.timeoutMs} ms)`);
      case 'memory':
        return refused(
          `the query used more memory than shard.sql.memoryLimit (${limits.memoryLimitBytes} bytes)`,
        );
      case 'writer':
        return refused('the query was ended because storing needed its memory; ask again, for less');
      case undefined: {
        const message = firstLine(error instanceof Error ? error.message : String(error));
        if (TELLABLE.test(message)) return refused(message);
        logger.error({ err: error }, 'SQL query failed');
        return refused('the query failed; the log of the shard says why');
      }
      default:
        return ending satisfies never;
    }
  }

  return {
    async run(query, signal) {
      try {
        const outcome = await turns.run(() => run(query, signal), signal);
        return outcome ?? { kind: 'busy', reason: `an SQL query runs and ${MAX_WAITING} wait already` };
      } catch (error) {
        if (signal.aborted) return { kind: 'abandoned' };
        throw error;
      }
    },
    async giveWay() {
      if (running === undefined) return false;
      const { end, done } = running;
      end('writer');
      await done;
      return true;
    },
  };
}

/** Failures that are about the query. Others (IO, internal) may name files. */
const TELLABLE =
  /^(?:Binder|Catalog|Conversion|Constraint|Invalid Input|Invalid Type|Mismatch Type|Not implemented|Out of Memory|Out of Range|Parser|Syntax|Decimal|Divide by Zero|Sequence|Parameter Not Allowed|Expression|Cast) Error: /;

function refused(reason: string): Extract<SqlOutcome, { kind: 'refused' }> {
  return { kind: 'refused', reason };
}
