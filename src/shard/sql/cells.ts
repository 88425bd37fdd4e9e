import { setImmediate as nextTurn } from 'node:timers/promises';
import { type DuckDBMaterializedResult, DuckDBTypeId, type DuckDBValue } from '@duckdb/node-api';

export interface RenderedRows {
  /** JSON objects, one per row. */
  readonly rows: readonly string[];
  /** The bound on characters, not the end of the result, ended them. */
  readonly isCut: boolean;
}

/** The rows of a result in JSON, up to a number of rows and about so many characters. Lets other work in between. */
export async function renderRows(
  result: DuckDBMaterializedResult,
  { maxRows, maxChars }: { readonly maxRows: number; readonly maxChars: number },
): Promise<RenderedRows> {
  const names = result.deduplicatedColumnNames().map(name => JSON.stringify(name));
  const types = result.columnTypes().map(type => type.typeId);
  const rows: string[] = [];
  let chars = 0;
  for (let index = 0; index < result.chunkCount; index++) {
    await nextTurn();
    for (const row of result.getChunk(index).getRows()) {
      if (rows.length === maxRows) return { rows, isCut: false };
      const text = `{${row.map((cell, column) => `${names[column]}:${cellJson(cell, types[column])}`).join()}}`;
      chars += text.length;
      if (chars > maxChars) return { rows, isCut: true };
      rows.push(text);
    }
  }
  return { rows, isCut: false };
}

/** 64-bit integers are bare digits although JavaScript cannot hold them all: contract §1.4. */
function cellJson(cell: DuckDBValue, type: DuckDBTypeId | undefined): string {
  if (typeof cell === 'bigint' && (type === DuckDBTypeId.BIGINT || type === DuckDBTypeId.UBIGINT)) {
    return String(cell);
  }
  // In JSON a NaN or an infinity is null.
  if (cell === null || typeof cell === 'boolean' || typeof cell === 'number') return JSON.stringify(cell);
  return JSON.stringify(String(cell));
}
