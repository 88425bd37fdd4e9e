import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import type { ParsedShardRead, ShardReadName } from '../../shared/read/contract.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import type { PageSizer } from './page-sizer.ts';
import type { ServiceTotals } from './service-totals.ts';
import type { Parameters } from './where.ts';

/** What a read works with. */
export interface ReadContext {
  /** Inside a transaction, so that several queries see one state. */
  readonly connection: DuckDBConnection;
  /** The commit that the rows are read at. */
  readonly asOf: bigint;
  /** One row more than an answer may have, so that it is noticed; the request's own limit may be lower. */
  readonly mostRows: number;
  /** Sizes the pages of rows that can be long. Of this read alone. */
  readonly pages: PageSizer;
  readonly hash: Hash;
  readonly serviceTotals: ServiceTotals;
}

/**
 * One read of the contract: finished lines, newline included, rendered when they are asked for. DuckDB holds the rows
 * until then, in a third of the space, and giving them out cannot fail.
 */
export type ShardRead<N extends ShardReadName> = (
  context: ReadContext,
  request: ParsedShardRead<N>,
) => Promise<Iterable<string>>;

/** The result of a query, whole: DuckDB's streams end on an error as they end on success, `run` rejects. */
export interface QueryRows {
  readonly count: number;
  rows(): Iterable<DuckDBValue[]>;
  column(index: number): Iterable<DuckDBValue>;
}

export async function query(
  connection: DuckDBConnection,
  sql: string,
  parameters?: Pick<Parameters, 'values' | 'types'>,
): Promise<QueryRows> {
  const result = await connection.run(sql, parameters?.values, parameters?.types);
  return {
    count: result.rowCount,
    *rows() {
      for (let index = 0; index < result.chunkCount; index++) yield* result.getChunk(index).getRows();
    },
    *column(column) {
      for (let index = 0; index < result.chunkCount; index++)
        yield* result.getChunk(index).getColumnValues(column);
    },
  };
}

/** Results of the same columns, one after the other. */
export function joinRows(results: readonly QueryRows[]): QueryRows {
  return {
    count: results.reduce((sum, { count }) => sum + count, 0),
    *rows() {
      for (const result of results) yield* result.rows();
    },
    *column(index) {
      for (const result of results) yield* result.column(index);
    },
  };
}

/** Rows as lines, each rendered when it is asked for. */
export function* linesOf(result: QueryRows, line: (row: DuckDBValue[]) => string): Generator<string> {
  for (const row of result.rows()) yield line(row);
}

/** Sum of a column of whole numbers. */
export function columnSum(result: QueryRows, index: number): number {
  let sum = 0;
  for (const value of result.column(index)) sum += Number(value);
  return sum;
}
