import type { DuckDBConnection } from '@duckdb/node-api';
import { query } from './query.ts';
import { columnNames, keyValues, type RowKey, type RowOrder, rowsIn } from './row-order.ts';
import { createParameters } from './where.ts';

/**
 * Rows by which a read notices that DuckDB has numbered rows anew. A checkpoint does so when it drops deleted rows: under
 * the transaction of a read, too, if that began after they were deleted. What the read then finds by the numbers that
 * it has are other rows, or none.
 */
export interface Landmarks {
  /** Takes one of some rows that were found together. */
  add(order: RowOrder, keys: readonly RowKey[]): void;
  /** To be asked last. @throws RowsMovedError */
  check(connection: DuckDBConnection): Promise<void>;
}

/** The numbers that a read has of rows are no longer theirs: it is to begin again, in another transaction. */
export class RowsMovedError extends Error {
  override readonly name = 'RowsMovedError';
}

export function createLandmarks(): Landmarks {
  const landmarks: { readonly order: RowOrder; readonly key: RowKey }[] = [];
  return {
    add(order, keys) {
      const [first, ...others] = keys;
      if (first === undefined) return;
      // Rows only ever move down, and one does when any before it does.
      landmarks.push({ order, key: others.reduce((a, b) => (rowIdOf(b) > rowIdOf(a) ? b : a), first) });
    },
    async check(connection) {
      if (landmarks.length === 0) return;
      const parameters = createParameters();
      const still = landmarks.map(({ order, key }) => {
        const values = keyValues(order, key, parameters);
        const isSame = columnNames(order).map((name, index) => `${name} = ${values[index]}`);
        return `SELECT 1 FROM (${rowsIn(order)}) WHERE ${isSame.join(' AND ')}`;
      });
      const { count } = await query(connection, still.join(' UNION ALL '), parameters);
      if (count < landmarks.length) throw new RowsMovedError('rows have been numbered anew');
    },
  };
}

function rowIdOf(key: RowKey): bigint {
  return key.at(-1) as bigint;
}
