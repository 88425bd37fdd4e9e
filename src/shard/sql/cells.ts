import { type DuckDBMaterializedResult, DuckDBTypeId, type DuckDBValue } from '@duckdb/node-api';

export interface RenderedRows {
  /** JSON objects, one per row. */
  readonly rows: readonly string[];
  /** The bound on characters, not the end of the result, ended them. */
  readonly isCut: boolean;
}

/** The rows of a result in JSON, up to a number of rows and about so many characters. */
export function renderRows(
  result: DuckDBMaterializedResult,
  { maxRows, maxChars }: { readonly maxRows: number; readonly maxChars: number },
): RenderedRows {
  const names = result.deduplicatedColumnNames().map(name => JSON.stringify(name));
  const types = result.columnTypes().map(type => type.typeId);
  const rows: string[] = [];
  let chars = 0;
  for (let index = 0; index < result.chunkCount; index++) {
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
  switch (typeof cell) {
    case 'boolean':
      return String(cell);
    case 'number':
      return Number.isFinite(cell) ? JSON.stringify(cell) : 'null';
    case 'bigint':
      return type === DuckDBTypeId.BIGINT || type === DuckDBTypeId.UBIGINT ? String(cell) : `"${cell}"`;
    case 'string':
      return JSON.stringify(cell);
    default:
      return cell === null ? 'null' : JSON.stringify(String(cell));
  }
}
