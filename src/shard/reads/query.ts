import type {
  DuckDBConnection,
  DuckDBDataChunk,
  DuckDBMaterializedResult,
  DuckDBValue,
} from '@duckdb/node-api';
import type { Parameters } from './where.ts';

/** The result of a query, whole: DuckDB's streams end on an error as they end on success, `run` rejects. */
export interface QueryRows {
  readonly count: number;
  rows(): Iterable<DuckDBValue[]>;
  column(index: number): Iterable<DuckDBValue>;
}

/** As DuckDB has it: 2048 rows after the other at most. */
interface QueryChunks extends QueryRows {
  chunks(): Iterable<DuckDBDataChunk>;
}

const FEW_ROWS = 200;

export async function query(
  connection: DuckDBConnection,
  sql: string,
  parameters?: Pick<Parameters, 'values' | 'types'>,
): Promise<QueryChunks> {
  const result = await run(connection, sql, parameters);
  function* taken() {
    for (let index = 0; index < result.chunkCount; index++) yield result.getChunk(index);
  }
  // To take a chunk makes a copy, and of few rows column after column is looked at. Not for `rows`: a chunk keeps every
  // text that it has given out, and few rows may be long.
  let few: readonly DuckDBDataChunk[] | undefined;
  const kept = () => {
    if (result.rowCount > FEW_ROWS) return taken();
    few ??= [...taken()];
    return few;
  };
  return {
    count: result.rowCount,
    chunks: taken,
    *rows() {
      for (const chunk of taken()) yield* chunk.getRows();
    },
    *column(column) {
      for (const chunk of kept()) yield* chunk.getColumnValues(column);
    },
  };
}

/** Each step is a trip to another thread and back, which waits for its turn beside ingest: `run` takes three. */
async function run(
  connection: DuckDBConnection,
  sql: string,
  parameters: Pick<Parameters, 'values' | 'types'> | undefined,
): Promise<DuckDBMaterializedResult> {
  if (parameters === undefined || parameters.values.length === 0) return connection.run(sql);
  const prepared = await connection.prepare(sql);
  try {
    prepared.bind(parameters.values, parameters.types);
    return await prepared.run();
  } finally {
    prepared.destroySync();
  }
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

/** The rows at some positions, in their order. */
export function pickRows(result: QueryRows, positions: readonly number[]): QueryRows {
  const picked = <T>(values: Iterable<T>): readonly T[] => {
    const all = [...values];
    return positions.map(position => all[position] as T);
  };
  return {
    count: positions.length,
    rows: () => picked(result.rows()),
    column: index => picked(result.column(index)),
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
