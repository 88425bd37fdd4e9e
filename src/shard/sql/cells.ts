import { setImmediate as nextTurn } from 'node:timers/promises';
import { type DuckDBMaterializedResult, DuckDBTypeId, type DuckDBValue } from '@duckdb/node-api';

export interface RenderedRows {
  /** JSON objects, one per row. */
  readonly rows: readonly string[];
  /** The bound on characters, not the end of the result, ended them. */
  readonly isCut: boolean;
}

/** Rendered before other work has its turn: a millisecond or two, more only for a single large value. */
const CHARS_AT_ONCE = 256 * 1024;

/** The rows of a result in JSON, up to a number of rows and about so many characters. Lets other work in between. */
export async function renderRows(
  result: DuckDBMaterializedResult,
  { maxRows, maxChars }: { readonly maxRows: number; readonly maxChars: number },
): Promise<RenderedRows> {
  const names = result.deduplicatedColumnNames().map(name => JSON.stringify(name));
  const types = result.columnTypes().map(type => type.typeId);
  const rows: string[] = [];
  let chars = 0;
  let turnEndsAt = CHARS_AT_ONCE;
  for (let index = 0; index < result.chunkCount; index++) {
    const chunk = result.getChunk(index);
    // Row by row, because texts are decoded when they are asked for.
    for (let row = 0; row < chunk.rowCount; row++) {
      if (rows.length === maxRows) return { rows, isCut: false };
      if (chars >= turnEndsAt) {
        turnEndsAt = chars + CHARS_AT_ONCE;
        await nextTurn();
      }
      const cells = names.map(
        (name, column) => `${name}:${cellJson(chunk.getColumnVector(column).getItem(row), types[column])}`,
      );
      const text = `{${cells.join()}}`;
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
