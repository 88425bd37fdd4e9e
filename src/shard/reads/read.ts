import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import type { ParsedShardRead, ShardReadName } from '../../shared/read/contract.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import type { Parameters } from './where.ts';

/** Rows of a read, rendered when they are asked for. DuckDB holds them until then, in a third of the space. */
export interface ReadRows {
  readonly count: number;
  /** Finished lines, newline included. */
  readonly lines: Iterable<string>;
  /** There are more rows than a shard gives in one answer; the request's own limit is not meant. */
  readonly truncated: boolean;
}

/** What a read works with. */
export interface ReadContext {
  /** Inside a transaction, so that several queries see one state. */
  readonly connection: DuckDBConnection;
  /** The commit that the rows are read at. */
  readonly asOf: bigint;
  readonly hash: Hash;
}

/** One read of the contract. */
export type ShardRead<N extends ShardReadName> = (
  context: ReadContext,
  request: ParsedShardRead<N>,
) => Promise<ReadRows>;

/** The result of a query, whole: DuckDB's streams end on an error as they end on success, `run` rejects. */
export interface QueryRows {
  readonly count: number;
  rows(): Iterable<DuckDBValue[]>;
  column(index: number): Iterable<DuckDBValue>;
}

export async function query(
  connection: DuckDBConnection,
  sql: string,
  parameters?: Parameters,
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
