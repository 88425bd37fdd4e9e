import type { DuckDBValue } from '@duckdb/node-api';
import type { Parameters } from './where.ts';

/** A total order of a table's rows: their time or start first and `row_id`, which is DuckDB's, last. */
export interface RowOrder {
  readonly table: 'spans' | 'logs' | 'metrics' | 'comments';
  readonly columns: readonly [Column, ...Column[]];
  readonly direction: 'ASC' | 'DESC';
}

type Column = readonly [name: string, type: 'UBIGINT' | 'UHUGEINT' | 'BIGINT' | 'VARCHAR'];

/** Where a row is in its order: the values of the order's columns. */
export type RowKey = readonly DuckDBValue[];

/** SQL for the rows of the order's table, with all of its columns. */
export function rowsIn({ table }: RowOrder): string {
  return `SELECT *, rowid AS row_id FROM store.${table}`;
}

export function columnNames({ columns }: RowOrder): readonly string[] {
  return columns.map(([name]) => name);
}

/** SQL for the values of a key. */
export function keyValues({ columns }: RowOrder, key: RowKey, parameters: Parameters): readonly string[] {
  return columns.map(([, type], index) =>
    type === 'VARCHAR' ? parameters.text(key[index] as string) : `${String(key[index])}::${type}`,
  );
}
